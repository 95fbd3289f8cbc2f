//! The regions that Neon offers.

use crate::model::Refusal;

pub struct Region {
    pub id: &'static str,
    pub name: &'static str,
    pub latitude: &'static str,
    pub longitude: &'static str,
}

/// Where a project goes that names no region.
pub const DEFAULT_REGION: &str = "aws-us-east-1";

pub const REGIONS: [Region; 8] = [
    region("aws-us-east-1", "AWS US East 1 (N. Virginia)", "39.04", "-77.48"),
    region("aws-us-east-2", "AWS US East 2 (Ohio)", "39.96", "-83"),
    region("aws-us-west-2", "AWS US West 2 (Oregon)", "46.15", "-123.88"),
    region("aws-eu-central-1", "AWS Europe Central 1 (Frankfurt)", "50.11", "8.68"),
    region("aws-eu-west-2", "AWS Europe West 2 (London)", "51.5", "-0.12"),
    region("aws-ap-southeast-1", "AWS Asia Pacific 1 (Singapore)", "1.37", "103.8"),
    region("aws-ap-southeast-2", "AWS Asia Pacific 2 (Sydney)", "-33.86", "151.2"),
    region("aws-sa-east-1", "AWS South America East 1 (São Paulo)", "-23.55", "-46.63"),
];

const fn region(id: &'static str, name: &'static str, latitude: &'static str, longitude: &'static str) -> Region {
    Region { id, name, latitude, longitude }
}

pub fn is_known(id: &str) -> bool {
    REGIONS.iter().any(|region| region.id == id)
}

pub fn must_be_known(id: &str) -> Result<(), Refusal> {
    if is_known(id) { Ok(()) } else { Err(Refusal::Invalid(format!("region {id} is not supported"))) }
}
