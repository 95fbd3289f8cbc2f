//! `flotilla migrate`.

use anyhow::Result;

use crate::{
    config::Config,
    output,
    start::{OlderLedger, OpenLedger},
};

pub async fn run(config: &Config) -> Result<()> {
    OpenLedger::open(config, OlderLedger::Migrate).await?.close().await?;
    Ok(output::remark("The ledger's schema is up to date.")?)
}
