//! Ids, passwords and host names in the forms that Neon uses.

use rand::RngExt;

const ADJECTIVES: [&str; 48] = [
    "ancient",
    "autumn",
    "billowing",
    "bitter",
    "black",
    "blue",
    "bold",
    "broad",
    "calm",
    "cold",
    "cool",
    "crimson",
    "curly",
    "damp",
    "dark",
    "dawn",
    "delicate",
    "divine",
    "dry",
    "falling",
    "flat",
    "floral",
    "fragrant",
    "frosty",
    "gentle",
    "green",
    "hidden",
    "holy",
    "icy",
    "late",
    "lively",
    "long",
    "misty",
    "morning",
    "muddy",
    "nameless",
    "odd",
    "patient",
    "plain",
    "polished",
    "proud",
    "quiet",
    "restless",
    "rough",
    "round",
    "shiny",
    "sparkling",
    "still",
];
const NOUNS: [&str; 48] = [
    "art",
    "band",
    "bar",
    "base",
    "bird",
    "block",
    "boat",
    "bonus",
    "bread",
    "breeze",
    "brook",
    "bush",
    "butterfly",
    "cake",
    "cell",
    "cherry",
    "cloud",
    "credit",
    "darkness",
    "dawn",
    "dew",
    "disk",
    "dream",
    "dust",
    "feather",
    "field",
    "fire",
    "firefly",
    "flower",
    "fog",
    "forest",
    "frog",
    "frost",
    "glade",
    "grass",
    "hall",
    "harbor",
    "haze",
    "heart",
    "hill",
    "king",
    "lab",
    "lake",
    "leaf",
    "meadow",
    "mode",
    "moon",
    "unit",
];
const LOWER_ALNUM: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const ALNUM: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The domain of every host name: resolves to the loopback interface, if at all.
const DOMAIN: &str = "neon.localhost";

fn pick<'a>(from: &[&'a str]) -> &'a str {
    from[rand::rng().random_range(0..from.len())]
}

fn random_text(from: &[u8], length: usize) -> String {
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(from[rng.random_range(0..from.len())])).collect()
}

fn two_words() -> String {
    format!("{}-{}", pick(&ADJECTIVES), pick(&NOUNS))
}

/// As in `sparkling-hill-99143322`.
pub fn project_id() -> String {
    format!("{}-{}", two_words(), rand::rng().random_range(10_000_000..100_000_000_u32))
}

/// The same for project number `number` of those that are seeded: no two of them share the digits.
pub fn numbered_project_id(number: i64) -> String {
    // The factor has no divisor in common with the range, so that it only shuffles the numbers.
    let digits = 10_000_000 + (number % 90_000_000 * 61_803_401).rem_euclid(90_000_000);
    format!("{}-{digits}", two_words())
}

/// As in `br-green-mode-afe3fl9y`.
pub fn branch_id() -> String {
    format!("br-{}-a{}", two_words(), random_text(LOWER_ALNUM, 7))
}

/// As in `ep-round-unit-afbn7qv4`.
pub fn endpoint_id() -> String {
    format!("ep-{}-a{}", two_words(), random_text(LOWER_ALNUM, 7))
}

/// As in `npg_N67FDMtGvJke`.
pub fn password() -> String {
    format!("npg_{}", random_text(ALNUM, 12))
}

/// As Neon's tokens: `napi_` and 64 letters and digits.
pub fn api_key() -> String {
    format!("napi_{}", random_text(LOWER_ALNUM, 64))
}

/// The part of a host name that all endpoints of a region share.
pub fn proxy_host(region_id: &str) -> String {
    format!("{region_id}.{DOMAIN}")
}

/// The cloud of a region: `aws` in `aws-us-east-1`.
pub fn platform_id(region_id: &str) -> &str {
    region_id.split('-').next().unwrap_or(region_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_forms_of_neon() {
        let valid = |id: &str| id.len() <= 60 && id.bytes().all(|b| b == b'-' || LOWER_ALNUM.contains(&b));
        assert!(valid(&project_id()));
        assert!(valid(&branch_id()) && branch_id().starts_with("br-"));
        assert!(valid(&endpoint_id()) && endpoint_id().starts_with("ep-"));
        assert_eq!(password().len(), 16);
    }

    #[test]
    fn hosts_carry_their_region() {
        assert_eq!(proxy_host("aws-us-east-1"), "aws-us-east-1.neon.localhost");
        assert_eq!(platform_id("azure-eastus2"), "azure");
    }
}
