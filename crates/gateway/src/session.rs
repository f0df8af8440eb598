//! `/v1/session`: an API key in a cookie, for web pages. A page cannot add a header to the requests of
//! an `EventSource`, and a key that scripts cannot read is one that they cannot give away.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::{extract::Request, response::Response};
use contract::{Endpoint, EndpointName, ProblemCode};
use http::{
    HeaderName, HeaderValue, StatusCode, Uri,
    header::{CACHE_CONTROL, SET_COOKIE},
    uri::Scheme,
};
use http_server::{Fallible, ProblemReply, Query};

use crate::{
    access::{cookie, secret_of},
    proxy::Proxy,
};

/// How a proxy in front says that the client came by TLS.
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What the gateway knows of its cookies.
#[derive(Default)]
pub(crate) struct Sessions {
    /// Whether it serves clients over TLS.
    is_secure: AtomicBool,
}

impl Sessions {
    /// Clients come over TLS.
    pub(crate) fn use_tls(&self) {
        self.is_secure.store(true, Ordering::Relaxed);
    }
}

/// Puts the key of `request` into a cookie, or removes it, as `endpoint` says. Without API keys there
/// is no cookie.
///
/// # Errors
/// 400 for a query.
pub(crate) async fn session(
    proxy: &Proxy,
    endpoint: &'static Endpoint,
    request: Request,
) -> Fallible<Response> {
    Query::none(request.uri().query())
        .map_err(|fault| ProblemReply::new(ProblemCode::InvalidParameter, fault.to_string()))?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(secret) = secret_of(request.headers()).filter(|_| proxy.access.has_keys()) {
        let value = match endpoint.name {
            EndpointName::EndSession => cookie(None),
            _ => cookie(Some(&secret)),
        };
        let secure = if is_secure(proxy, &request) {
            "; Secure"
        } else {
            ""
        };
        let value = HeaderValue::try_from(value + secure);
        headers.insert(SET_COOKIE, value.expect("percent-encoded text is ASCII"));
    }
    Ok(response)
}

/// Whether the client came by TLS, here or at a proxy. A browser takes a `Secure` cookie only then.
fn is_secure(proxy: &Proxy, request: &Request) -> bool {
    let by_proxy = request.headers().get(FORWARDED_PROTO);
    proxy.sessions.is_secure.load(Ordering::Relaxed)
        || Uri::scheme(request.uri()) == Some(&Scheme::HTTPS)
        || by_proxy.is_some_and(|scheme| scheme == "https")
}
