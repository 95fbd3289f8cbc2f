//! `flotilla openapi`.

use anyhow::Result;

use super::output;
use crate::http;

pub fn run() -> Result<()> {
    Ok(output::result(&serde_json::to_string_pretty(&http::openapi_document())?)?)
}
