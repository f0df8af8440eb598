//! The address of a platform.

use std::{fmt, str::FromStr};

/// The address of a platform: `http://host:port`, perhaps with a path before the routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

/// The error of a text that is not the address of a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It starts with `https://`.
    #[error("this client speaks http only; put a proxy in between for https")]
    Https,
    /// It is not a URL, or it has a query.
    #[error("must look like http://localhost:8080")]
    Form,
}

impl FromStr for BaseUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let full = match text.split_once("://") {
            Some(("http", _)) => text.to_owned(),
            Some(("https", _)) => return Err(InvalidUrl::Https),
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
        ] {
            assert_eq!(text.parse(), Ok(BaseUrl(url.to_owned())));
        }
        assert_eq!("https://x".parse::<BaseUrl>(), Err(InvalidUrl::Https));
        for text in ["", "http://", "ftp://x", "http://a b", "http://x/?a=b"] {
            assert_eq!(text.parse::<BaseUrl>(), Err(InvalidUrl::Form), "{text}");
        }
    }
}
