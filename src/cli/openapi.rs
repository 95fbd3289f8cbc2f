//! `flotilla openapi`.

use anyhow::Result;

use crate::{http, output};

pub fn run() -> Result<()> {
    Ok(output::result(&serde_json::to_string_pretty(&http::openapi_document())?)?)
}
