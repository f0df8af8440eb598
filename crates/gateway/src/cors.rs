//! Calls by scripts of web pages of other origins (CORS): allowed to those that a setting names.

use std::{fmt, str::FromStr};

use contract::header;
use http::{
    HeaderName, HeaderValue, Method, Uri,
    header::{
        ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH,
        RETRY_AFTER,
    },
};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

/// The origins whose pages may call the API; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<HeaderValue>);

/// A text that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin such as https://app.example or http://localhost:3000, nor *")]
pub struct InvalidOrigin(String);

impl FromStr for AllowedOrigins {
    type Err = InvalidOrigin;

    /// Origins separated by commas, or `*` for all.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let origins = text
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty());
        let parsed = origins.map(|text| origin(text).ok_or_else(|| InvalidOrigin(text.to_owned())));
        parsed.collect::<Result<_, _>>().map(Self)
    }
}

/// `text` as browsers send it: a scheme, a host and perhaps a port.
fn origin(text: &str) -> Option<HeaderValue> {
    let is_origin = text.parse::<Uri>().is_ok_and(|uri| {
        let (scheme, authority) = (uri.scheme_str(), uri.authority());
        let parts = scheme.zip(authority.map(|authority| authority.as_str()));
        parts.is_some_and(|(scheme, authority)| text == format!("{scheme}://{authority}"))
            && !text.contains(['@', '*'])
    });
    let text = text.to_ascii_lowercase();
    (text == "*" || is_origin).then(|| text.parse().ok())?
}

impl AllowedOrigins {
    /// Answers preflights, and says in replies who may read them. `None` if nobody is allowed.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        if self.0.is_empty() {
            return None;
        }
        let origins = match self.0.iter().any(|origin| origin == "*") {
            true => AllowOrigin::from(Any),
            false => AllowOrigin::list(self.0.clone()),
        };
        let own = HeaderName::from_static;
        let sent = [
            ACCEPT,
            AUTHORIZATION,
            CONTENT_ENCODING,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            own(header::API_KEY),
            own(header::IDEMPOTENCY_KEY),
            own(header::REQUEST_ID),
            own(header::TRACEPARENT),
        ];
        let read = [
            ETAG,
            RETRY_AFTER,
            own(header::REQUEST_ID),
            own(header::RETRY_AFTER_MS),
            own(header::SERIES_REVISION),
        ];
        let layer = CorsLayer::new()
            .allow_origin(origins)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(sent)
            .expose_headers(read);
        Some(layer)
    }
}

impl fmt::Display for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<_> = self
            .0
            .iter()
            .filter_map(|origin| origin.to_str().ok())
            .collect();
        f.write_str(&origins.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        let parsed: AllowedOrigins = "https://A.example, http://localhost:3000,".parse().unwrap();
        assert_eq!(
            parsed.to_string(),
            "https://a.example,http://localhost:3000"
        );
        assert!("".parse::<AllowedOrigins>().unwrap().layer().is_none());
        assert!("*".parse::<AllowedOrigins>().unwrap().layer().is_some());
        for wrong in [
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            "https://",
            "https://u@a",
            "null",
            "https://*.a",
        ] {
            let parsed = wrong.parse::<AllowedOrigins>();
            assert!(parsed.is_err(), "{wrong}: {parsed:?}");
        }
    }
}
