//! The observer's HTTP interface: called by the gateway, over a socket or in process.

use std::sync::Arc;

use axum::{
    Router,
    routing::{MethodFilter, MethodRouter, on},
};
use contract::{Endpoint, EndpointName, endpoint::Owner};
use http_server::{method_not_allowed, not_found};
use service::routes;

use crate::{App, anomalies, observe, silences, streams};

pub(crate) fn router(app: Arc<App>) -> Router {
    routes::router(routes::of(Owner::Observer), handler)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

/// The handler of `endpoint`.
fn handler(endpoint: &Endpoint, method: MethodFilter) -> MethodRouter<Arc<App>> {
    use EndpointName as Name;
    match endpoint.name {
        Name::Observe => on(method, observe::observe),
        Name::AppendPoints => on(method, observe::append_points),
        Name::ShowStream => on(method, streams::show),
        Name::SetStream => on(method, streams::set),
        Name::EndStream => on(method, streams::end),
        Name::RestartStream => on(method, streams::restart),
        Name::ListAnomalies => on(method, anomalies::list),
        Name::ListSeriesAnomalies => on(method, anomalies::of_series),
        Name::ShowAnomaly => on(method, anomalies::show),
        Name::ListIncidents => on(method, anomalies::incidents),
        Name::ShowIncident => on(method, anomalies::incident),
        Name::ListSilences => on(method, silences::list),
        Name::CreateSilence => on(method, silences::create),
        Name::DeleteSilence => on(method, silences::delete),
        _ => unreachable!("the observer does not own {endpoint:?}"),
    }
}
