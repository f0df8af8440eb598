//! `GET /v1/events`: what happens, as it happens, as server-sent events.
//!
//! While somebody listens, the gateway asks once a second for what is new: any observer for the
//! events of anomalies after the last one, all of them for the streams in their memory. So gateways
//! and observers keep no connection for it, need to know nothing of each other, and may come and go;
//! events have numbers from the database, so a client may go on at another gateway. The price is a
//! second.

mod feed;
mod listeners;
mod stream;

use axum::{body::Body, extract::Request, response::Response};
use contract::{Endpoint, MAX_FOLLOWED, ProblemCode};
use http::{
    HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use http_server::{BadParameter, Fallible, ProblemReply, Query};
use service::series::parse_list;

use crate::{
    access::Caller,
    proxy::{Proxy, client_of},
};
pub(crate) use listeners::Events;

/// Tells nginx not to wait for more of the reply.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The number of the last event that the client has.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Tells a client what happens until it leaves, or the gateway stops.
///
/// # Errors
/// 400 for a query that is not valid, 403 for a series that the caller may not see, 503 when too many
/// listen.
pub(crate) async fn events(
    proxy: &Proxy,
    _: &'static Endpoint,
    request: Request,
    caller: &Caller,
) -> Fallible<Response> {
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let query = query.of_only(&["series"]).map_err(invalid)?;
    let series = match query.get("series").map_err(invalid)? {
        None | Some("") => Vec::new(),
        Some(list) => parse_list("series", list).map_err(invalid)?,
    };
    if series.len() > MAX_FOLLOWED {
        let rule = format!("more than {MAX_FOLLOWED} series are not followed at once");
        return Err(invalid(BadParameter::invalid("series", rule)));
    }
    if let Some(foreign) = series.iter().find(|id| !caller.may_see(id.as_str())) {
        let detail = format!("The API key is not for the series {foreign}");
        return Err(ProblemReply::new(ProblemCode::Forbidden, detail));
    }
    let last = request.headers().get(LAST_EVENT_ID);
    let last = last.and_then(|value| value.to_str().ok()?.parse().ok());
    let listener = proxy
        .events
        .listen(series, client_of(&request), caller.sight())?;
    let body = stream::body(listener, last, proxy.observer.clone());
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

fn invalid(fault: BadParameter) -> ProblemReply {
    ProblemReply::new(ProblemCode::InvalidParameter, fault.to_string())
}
