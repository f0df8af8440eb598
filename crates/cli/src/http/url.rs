//! The address of a platform.

use std::{fmt, str::FromStr};

/// The address of a platform: `http://host:port` or `https://host:port`, perhaps with a path before
/// the routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// The error of a text that is not the address of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is not a URL, or it has a query.
    #[error("must look like http://localhost:8080")]
    Form,
}

impl FromStr for BaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let full = match text.split_once("://") {
            Some(("http" | "https", _)) => text.to_owned(),
            Some(_) => return Err(InvalidUrl::Form),
            None => format!("http://{text}"),
        };
        let url: ureq::http::Uri = full.parse().map_err(|_| InvalidUrl::Form)?;
        if url.host().is_none_or(str::is_empty) || url.query().is_some() {
            return Err(InvalidUrl::Form);
        }
        Ok(Self(full.trim_end_matches('/').to_owned()))
    }
}

impl BaseUrl {
    /// Whether the platform is reached over TLS.
    pub(super) fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_with_or_without_its_scheme() {
        for (text, url) in [
            ("http://localhost:8080", "http://localhost:8080"),
            ("localhost:8080/", "http://localhost:8080"),
            ("http://10.0.0.1/platform//", "http://10.0.0.1/platform"),
            ("[::1]:8080", "http://[::1]:8080"),
            ("https://a.example/", "https://a.example"),
        ] {
            assert_eq!(text.parse(), Ok(BaseUrl(url.to_owned())));
        }
        for text in [
            "",
            "http://",
            "https://",
            "ftp://x",
            "http://a b",
            "http://x/?a=b",
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(InvalidUrl::Form), "{text}");
        }
    }
}
