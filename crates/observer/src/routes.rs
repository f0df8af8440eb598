//! The observer's HTTP interface: called by the gateway, over a socket or in process.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, get, on, post},
};
use contract::{
    Endpoint, EndpointName, FEED_PATH, LIVE_PATH, POINT_PARTITIONS, ProcessFigures,
    endpoint::{Owner, Routing},
    header::APPEND,
    partition_of,
};
use http_server::{json, method_not_allowed, not_found};
use service::{routes, series::SeriesPath};

use crate::{
    App, alerts, anomalies, feedback, history, live, metrics, observe, overview, silences, streams,
    write,
};

pub(crate) fn router(app: Arc<App>) -> Router {
    let routes = routes::router(routes::of(Owner::Observer), |endpoint, method| {
        let handler = handler(endpoint, method);
        match endpoint.routing {
            Routing::ByPartition => handler.layer(from_fn_with_state(Arc::clone(&app), of_ours)),
            Routing::Any => handler,
        }
    });
    routes
        .route(EndpointName::System.endpoint().path, get(system))
        .route(LIVE_PATH, post(live::live))
        .route(FEED_PATH, post(live::feed))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

/// What this process tells the gateway of itself.
async fn system(State(app): State<Arc<App>>) -> Response {
    json(&ProcessFigures {
        lag_messages: u64::try_from(metrics::LAG.get()).ok(),
        ..app.sampler.process()
    })
}

/// Refuses a call about a partition of another observer, which the gateway then asks; or that has
/// no owner, until the gateway says that anybody is to take the call.
async fn of_ours(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
    next: Next,
) -> Response {
    let takes_any = request
        .headers()
        .get(APPEND)
        .is_some_and(|value| value == "any");
    match takes_any || app.owns(partition_of(&series, POINT_PARTITIONS)) {
        true => next.run(request).await,
        false => StatusCode::MISDIRECTED_REQUEST.into_response(),
    }
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
        Name::ListPoints => on(method, history::list),
        Name::Overview => on(method, overview::overview),
        Name::AlarmHistogram => on(method, overview::histogram),
        Name::ListAnomalies => on(method, anomalies::list),
        Name::ListSeriesAnomalies => on(method, anomalies::of_series),
        Name::ShowAnomaly => on(method, anomalies::show),
        Name::SetFeedback => on(method, feedback::set),
        Name::RemoveFeedback => on(method, feedback::remove),
        Name::ListIncidents => on(method, anomalies::incidents),
        Name::ShowIncident => on(method, anomalies::incident),
        Name::ListSilences => on(method, silences::list),
        Name::CreateSilence => on(method, silences::create),
        Name::DeleteSilence => on(method, silences::delete),
        Name::TestAlerts => on(method, alerts::test),
        Name::ListFailedAlerts => on(method, alerts::failed),
        Name::RemoteWrite => on(method, write::write),
        _ => unreachable!("the observer does not own {endpoint:?}"),
    }
}
