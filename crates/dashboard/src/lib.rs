//! The dashboard: one page and its files, served from the binary; the document of the API, and a page
//! that shows it.
//!
//! The files are in `page/`: modules, styles and a font as browsers read them, with no build step.
//! They are packed when the crate is compiled. All of them lie under `/assets/VERSION/`, where
//! `VERSION` is the hash of them all, so browsers may keep them for ever; the page itself, at `/`,
//! is asked for each time. The page is a client of the HTTP API like any other: it has no calls of
//! its own.

use std::io::Read;

use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{
        ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
        CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};

include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// The path of the files, for routers: [`asset`] answers what comes below it.
pub const ASSETS: &str = "/assets/{version}/{*name}";

/// What the page may load and who may frame it: only this server, and nobody.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
);
/// The document of the API among the files.
const DOCUMENT: &str = "openapi.json";
/// The name of a file says all of its content.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A file of the page.
pub(crate) struct File {
    name: &'static str,
    /// Whether `bytes` are gzip.
    packed: bool,
    bytes: &'static [u8],
}

/// Whether a request with `headers` comes from a browser that wants to show a page: `Accept` names
/// `text/html`. Load balancers, monitors and scripts do not.
pub fn is_asked_for(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/html"))
}

/// The page itself; 304 where `headers` name it by `If-None-Match`.
pub fn page(headers: &HeaderMap) -> Response {
    fresh("index.html", headers)
}

/// The page that shows the document of the API; 304 as [`page`].
pub fn docs(headers: &HeaderMap) -> Response {
    fresh("docs.html", headers)
}

/// The document of the API, OpenAPI 3.1 as JSON; 304 as [`page`].
pub fn document(headers: &HeaderMap) -> Response {
    fresh(DOCUMENT, headers)
}

/// The file `name`, which clients ask for each time.
fn fresh(name: &str, headers: &HeaderMap) -> Response {
    let etag = format!("\"{VERSION}\"");
    let known = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let is_known = known.is_some_and(|known| known == "*" || known.contains(&etag));
    let mut response = match FILES.iter().find(|file| file.name == name) {
        Some(_) if is_known => secured(StatusCode::NOT_MODIFIED.into_response()),
        Some(file) => file.reply(headers),
        None => StatusCode::NOT_FOUND.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if let Ok(etag) = etag.try_into() {
        headers.insert(ETAG, etag);
    }
    response
}

/// The file `name` of the page in `version`; `None` if there is no such file, or not in this version.
pub fn asset(version: &str, name: &str, headers: &HeaderMap) -> Option<Response> {
    let file = FILES
        .iter()
        .find(|file| file.name == name && !is_fresh(name) && version == VERSION)?;
    let mut response = file.reply(headers);
    response.headers_mut().insert(CACHE_CONTROL, FOR_EVER);
    Some(response)
}

/// Whether the file `name` has an address without a version.
fn is_fresh(name: &str) -> bool {
    name == DOCUMENT || name.ends_with(".html")
}

impl File {
    fn reply(&self, headers: &HeaderMap) -> Response {
        let kind = HeaderValue::from_static(self.kind());
        let mut response = match self.packed {
            false => self.bytes.into_response(),
            true if takes_gzip(headers) => {
                let mut response = self.bytes.into_response();
                let gzip = HeaderValue::from_static("gzip");
                response.headers_mut().insert(CONTENT_ENCODING, gzip);
                response
            }
            true => {
                let mut plain = Vec::new();
                // What was packed at build time can be unpacked.
                let _ = GzDecoder::new(self.bytes).read_to_end(&mut plain);
                plain.into_response()
            }
        };
        response.headers_mut().insert(CONTENT_TYPE, kind);
        let vary = HeaderValue::from_static("accept-encoding");
        response.headers_mut().insert(VARY, vary);
        secured(response)
    }

    fn kind(&self) -> &'static str {
        match self.name.rsplit_once('.').map(|(_, end)| end) {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("json") => "application/json",
            _ => "font/woff2",
        }
    }
}

fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Whether a client takes gzip: named, and not with a quality of 0.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|coding| coding.split_once(';').unwrap_or((coding, "")))
        .any(|(name, quality)| {
            matches!(name.trim(), "gzip" | "x-gzip" | "*")
                && !matches!(
                    quality.trim().trim_start_matches("q="),
                    "0" | "0.0" | "0.00" | "0.000"
                )
        })
}

#[cfg(test)]
mod tests;
