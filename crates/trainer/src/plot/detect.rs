//! `POST /v1/detect/plot`: judges a series as `/v1/detect` does, and draws what was found.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use chart::{Chart, Fitted, Normal};
use contract::{DetectRequest, DetectorName, Requested};
use detector::detect;
use http_server::{Fallible, RequestContext};
use service::task::on_main;

use super::{
    columns,
    model::{mark_of, normal_of, period_of},
    query::JudgedQuery,
};
use crate::{App, error::Error, reply::picture};

/// Reads the body here, where its connection is, and judges and draws elsewhere.
pub(crate) async fn detect_plot(
    State(app): State<Arc<App>>,
    request: Request,
) -> Fallible<Response> {
    let context = request.extensions().get::<RequestContext>().cloned();
    let refused = |error: Error| error.reply(context.as_ref());
    let query = request.uri().query().unwrap_or_default();
    let query = JudgedQuery::parse(query).map_err(refused)?;
    let format = query.view.format;
    let body = request.into_body();
    let read = app.admission.read(body, app.max_body_bytes).await?;
    let (admitted, body) = read.ok_or(Error::Overloaded).map_err(refused)?;
    let plotting = async move {
        let drawn = app.plotter.plot_judged(query, body).await;
        drop(admitted);
        drawn
    };
    let drawn = on_main(plotting).await.map_err(refused)?;
    Ok(picture(format, drawn))
}

/// Judges the points in `body` and makes charts of them: of columns, those that matter most. This takes about ten microseconds a
/// point.
///
/// # Errors
/// When the body is not that of a detection, or its first points cannot be fitted on.
pub(super) fn judged(
    body: &[u8],
    title: Option<String>,
    default: DetectorName,
) -> Result<Vec<Chart>, Error> {
    match DetectRequest::parse_any(body)?.body {
        Requested::Series(request) => series(request, title, default).map(|chart| vec![chart]),
        Requested::Columns(request) => columns::judged(request, title, default),
    }
}

fn series(
    request: DetectRequest,
    title: Option<String>,
    default: DetectorName,
) -> Result<Chart, Error> {
    let DetectRequest {
        points,
        train,
        fit,
        min_deviation,
        // A picture has one form.
        form: _,
    } = request;
    let mut detection = detect(&points, train, &fit, default, min_deviation)?;
    let fitted = train.of(points.len());
    let mut normal = vec![Normal::UNKNOWN; fitted];
    let mut marks = Vec::new();
    for (i, point) in points.iter().enumerate().skip(fitted) {
        let judged = match i + 1 == points.len() {
            true => detection.update_last(*point),
            false => detection.update(*point),
        };
        let verdict = judged.verdict;
        normal.push(normal_of(&verdict));
        marks.extend(mark_of(*point, &verdict));
    }
    let episodes = detection.episodes();
    let changes = detection.change_points();
    let title = title.unwrap_or_else(|| "Detection".to_owned());
    Ok(Chart {
        period: period_of(&detection.model),
        normal,
        marks,
        // An alarm may be about a point that is earlier than itself.
        episodes: episodes
            .iter()
            .map(|e| (e.start.min(e.peak), e.end))
            .collect(),
        changes: changes.iter().map(|c| c.timestamp).collect(),
        fitted: Some(Fitted {
            points: fitted,
            until: points[fitted.saturating_sub(1)].timestamp,
        }),
        ..Chart::new(title, detection.model.detector(), points)
    })
}
