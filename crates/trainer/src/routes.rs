//! The trainer's HTTP interface: called by the gateway, over a socket or in process.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::{MethodFilter, MethodRouter, get, on},
};
use contract::{Endpoint, EndpointName, ProcessFigures, SeriesId, endpoint::Owner};
use http_server::{Fallible, RequestContext, json, method_not_allowed, not_found};
use service::{routes, series::SeriesPath, task::on_main};

use crate::{
    App,
    context::trace,
    error::Error,
    fit::DurableFit,
    health, metrics,
    once::Key,
    plot::{detect::detect_plot, query::PlotQuery},
    registry,
    reply::{picture, with_revision, with_version},
};

pub(crate) fn router(app: Arc<App>) -> Router {
    let health = EndpointName::Healthcheck.endpoint();
    routes::router(routes::of(Owner::Trainer), handler)
        .route(health.path, get(healthcheck))
        .route(EndpointName::System.endpoint().path, get(system))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(app)
}

/// The handler of `endpoint`.
fn handler(endpoint: &Endpoint, method: MethodFilter) -> MethodRouter<Arc<App>> {
    use EndpointName as Name;
    match endpoint.name {
        Name::Fit => on(method, fit),
        Name::Plot => on(method, plot),
        Name::DetectPlot => on(method, detect_plot),
        Name::ListSeries => on(method, registry::list),
        Name::ShowSeries => on(method, registry::series),
        Name::DeleteSeries => on(method, registry::delete_series),
        Name::ListModels => on(method, registry::models),
        Name::ImportModel => on(method, registry::import),
        Name::ShowModel => on(method, registry::model),
        Name::DeleteModel => on(method, registry::delete_model),
        Name::ExportModel => on(method, registry::export),
        Name::ShowAlias => on(method, registry::alias),
        Name::SetAlias => on(method, registry::set_alias),
        Name::RemoveAlias => on(method, registry::remove_alias),
        Name::RollBack => on(method, registry::roll_back),
        _ => unreachable!("the trainer does not own {endpoint:?}"),
    }
}

async fn fit(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let context = request.extensions().get::<RequestContext>().cloned();
    let refused = |error: Error| error.reply(context.as_ref());
    let key = Key::of(request.headers()).map_err(refused)?;
    let DurableFit { reply, revision } =
        fit_body(app, series, context, key, request.into_body()).await?;
    let response = with_version(json(&reply), reply.version);
    Ok(with_revision(response, revision))
}

/// Reads the body on the thread of its connection. The fit runs to its end on the main runtime,
/// whether or not the client stays.
async fn fit_body(
    app: Arc<App>,
    series: SeriesId,
    context: Option<RequestContext>,
    key: Option<Key>,
    body: Body,
) -> Fallible<DurableFit> {
    let refused = |error: Error| error.reply(context.as_ref());
    let read = app.admission.read(body, app.max_body_bytes).await?;
    let Some((admitted, body)) = read else {
        metrics::FITS.with_label_values(&["overloaded"]).inc();
        return Err(refused(Error::Overloaded));
    };
    let in_flight = app.in_flight.clone();
    let trace = trace(context.as_ref());
    let fitting = async move {
        let once = match key {
            Some(key) => Some(key.over("fit", &body).await),
            None => None,
        };
        let turn = app.keyed.begin(&series, once.as_ref())?;
        let fitted = app.fitter.fit(series, body, trace, once).await;
        drop((admitted, turn));
        fitted
    };
    on_main(in_flight.track_future(fitting))
        .await
        .map_err(refused)
}

async fn plot(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let context = request.extensions().get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    let query = PlotQuery::parse(request.uri().query().unwrap_or_default()).map_err(refused)?;
    let format = query.view.format;
    let plotting = async move { app.plotter.plot(query).await };
    let drawn = on_main(plotting).await.map_err(refused)?;
    Ok(picture(format, drawn))
}

async fn healthcheck(State(app): State<Arc<App>>) -> Response {
    json(&health::report(&app.figures).await)
}

/// What this process tells the gateway of itself.
async fn system(State(app): State<Arc<App>>) -> Response {
    let process = app.figures.process(|figures| figures.training);
    let backends = app.backends.clone();
    let dependencies = on_main(health::dependencies(backends));
    let (process, dependencies) = tokio::join!(process, dependencies);
    json(&ProcessFigures {
        dependencies,
        ..process
    })
}
