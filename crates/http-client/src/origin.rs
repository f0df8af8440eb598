//! The addresses of backends: `http://host:port`, several separated by commas.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use contract::header::SERVICE_TOKEN;
use http::Uri;
use http_server::ServiceToken;

/// The backends of one service, at least one.
#[derive(Clone, PartialEq, Eq)]
pub struct Origins(pub(super) Vec<Origin>);

/// The URL of a backend: the scheme `http`, a host and a port.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// A name or an address, IPv6 without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// Host and port as configured.
    pub(super) authority: String,
    /// The value of the `host` header, and the header lines that follow it in every request.
    pub(super) host_lines: String,
}

/// Why a text is not a list of backends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigins {
    /// An entry of the list is empty.
    #[error("a URL is empty")]
    Empty,
    /// An entry is not a URL.
    #[error("{0:?} is not a URL with a host")]
    NoUrl(String),
    /// The scheme is not `http`.
    #[error("{0:?} does not start with http://")]
    Scheme(String),
    /// There is a user, a path, a query or a fragment.
    #[error("{0:?} has more than a host and a port")]
    TooMuch(String),
}

impl FromStr for Origins {
    type Err = InvalidOrigins;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(str::trim)
            .map(Origin::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Origins {
    /// Sends `token` along with every request.
    #[must_use]
    pub fn with_token(mut self, token: Option<&ServiceToken>) -> Self {
        if let Some(token) = token {
            for origin in &mut self.0 {
                let secret = token.secret();
                origin.host_lines = format!("{}\r\n{SERVICE_TOKEN}: {secret}", origin.authority);
            }
        }
        self
    }
}

impl Origin {
    /// Its address, unless the host is a name.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        let host = self.host.parse::<IpAddr>().ok()?;
        Some((host, self.port).into())
    }

    fn parse(text: &str) -> Result<Self, InvalidOrigins> {
        if text.is_empty() {
            return Err(InvalidOrigins::Empty);
        }
        let uri: Uri = text
            .parse()
            .map_err(|_| InvalidOrigins::NoUrl(text.to_owned()))?;
        if uri.scheme_str() != Some("http") {
            return Err(InvalidOrigins::Scheme(text.to_owned()));
        }
        let authority = uri
            .authority()
            .filter(|authority| !authority.host().is_empty())
            .ok_or_else(|| InvalidOrigins::NoUrl(text.to_owned()))?;
        // A `Uri` has no fragment: it is cut off when parsing.
        let more = authority.as_str().contains('@') || uri.query().is_some() || text.contains('#');
        if more || uri.path() != "/" {
            return Err(InvalidOrigins::TooMuch(text.to_owned()));
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            _ => authority
                .port_u16()
                .ok_or_else(|| InvalidOrigins::NoUrl(text.to_owned()))?,
        };
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            host_lines: authority.as_str().to_owned(),
        })
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the token.
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, origin) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}http://{}", origin.authority)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_are_hosts_with_ports() {
        let origins: Origins = "http://trainer:9000, http://127.0.0.1/,http://[::1]:8"
            .parse()
            .unwrap();
        let parts: Vec<_> = origins
            .0
            .iter()
            .map(|origin| (&*origin.host, origin.port))
            .collect();
        assert_eq!(parts, [("trainer", 9000), ("127.0.0.1", 80), ("::1", 8)]);
        assert_eq!(
            origins.to_string(),
            "http://trainer:9000,http://127.0.0.1,http://[::1]:8"
        );
    }

    #[test]
    fn what_would_be_silently_left_out_is_refused() {
        for text in [
            "",
            "http://a,",
            "trainer:9000",
            "https://a",
            "http://",
            "http://:80",
            "http://a/prefix",
            "http://a/?q",
            "http://a/#f",
            "http://user@a",
            "http://a:99999",
            "http://a b",
        ] {
            assert!(text.parse::<Origins>().is_err(), "{text:?}");
        }
    }
}
