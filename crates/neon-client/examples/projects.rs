//! Lists the projects of an account: `NEON_API_KEY=napi_… cargo run -p neon-client --example projects`.
//! `NEON_API_HOST` names another address than Neon's, `NEON_ORG_ID` the organisation of a personal key.

use std::{
    env,
    error::Error,
    io::{Write, stdout},
};

use neon_client::{NeonClient, NeonConfig, project::MAX_PAGE};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let host = env::var("NEON_API_HOST").unwrap_or_else(|_| String::from("https://console.neon.tech/api/v2"));
    let key = env::var("NEON_API_KEY").map_err(|_| "NEON_API_KEY is not set: make a key in Neon's console")?;
    let neon =
        NeonClient::new(NeonConfig { org_id: env::var("NEON_ORG_ID").ok(), ..NeonConfig::new(host, key.into()) })?;

    let mut cursor = None;
    loop {
        let page = neon.list_projects(cursor.as_deref(), MAX_PAGE).await?;
        for project in page.items {
            writeln!(stdout(), "{}\t{}", project.id, project.name)?;
        }
        cursor = page.next;
        if cursor.is_none() {
            return Ok(());
        }
    }
}
