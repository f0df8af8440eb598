//! Writes the document of the HTTP API, OpenAPI 3.1, to `openapi.json` in this folder, from where
//! the gateway serves it.
//!
//! Its routes, scopes and limits are those of [`contract::ENDPOINTS`], its schemas those of the
//! types in `contract`, and its examples those of `examples.json`, which a test sends.

mod calls;
mod document;
mod examples;
mod headers;
mod problems;
mod schemas;
mod texts;

use std::{fs, io, path::Path};

fn main() -> io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    fs::write(path, document::text())
}
