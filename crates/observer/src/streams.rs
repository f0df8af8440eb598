//! `/v1/series/{series_id}/stream`: streams are shown, changed, begun anew and ended. Changes are
//! records of the log like points, so every replay meets them at their place.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use contract::{
    AcceptedReply, EndpointName, POINT_PARTITIONS, PointStatus, PointsRecord, Restart, SeriesId,
    StreamControl, StreamOptions, StreamReply, partition_of,
};
use http_server::{Fallible, Query, RequestContext, json, read_body};
use service::{clock::now, series::SeriesPath, task::on_main};
use stream::Stream;
use tokio::sync::oneshot;

use crate::{App, error::Error, observe::DEFAULT_WAIT, waiters::Answer, worker::Work};

const MAX_BODY: usize = EndpointName::SetStream.endpoint().body.max();

/// Shows a stream: from memory if it is there, else as it was stored.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let context = request.extensions().get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    Query::none(request.uri().query()).map_err(|fault| refused(fault.into()))?;
    let shown = app.show(&series).await.map_err(refused)?;
    let mut shown = shown.ok_or_else(|| refused(Error::NoStream))?;
    let (store, budget) = (app.shared.store.clone(), shown.options.budget);
    let counting = on_main(async move { store.false_alarms(&series, budget, now()).await });
    shown.false_alarms = Some(counting.await.map_err(|why| refused(why.into()))?);
    Ok(json(&shown))
}

/// Creates a stream or changes its options.
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    let body = read_body(body, MAX_BODY).await?;
    let control = StreamOptions::parse(&body)
        .map(StreamControl::Options)
        .map_err(Error::from);
    let (status, reply) = command(&app, &head, &series, control).await?;
    Ok(match (status, reply) {
        (_, None) => accepted(series),
        (true, Some(reply)) => (StatusCode::CREATED, json(&reply)).into_response(),
        (false, Some(reply)) => json(&reply),
    })
}

/// Begins a stream anew.
pub(crate) async fn restart(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    let body = read_body(body, MAX_BODY).await?;
    let control = Restart::parse(&body)
        .map(StreamControl::Restart)
        .map_err(Error::from);
    let (_, reply) = command(&app, &head, &series, control).await?;
    Ok(match reply {
        Some(reply) => json(&reply),
        None => accepted(series),
    })
}

/// Ends a stream.
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    let control = Ok(StreamControl::End { forget: false });
    let (_, reply) = command(&app, &head, &series, control).await?;
    Ok(match reply {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => accepted(series),
    })
}

/// Sends a command to a stream. Returns whether it has begun the stream, and the stream after it, if
/// that is known in time.
async fn command(
    app: &App,
    head: &Parts,
    series: &SeriesId,
    control: Result<StreamControl, Error>,
) -> Fallible<(bool, Option<Box<StreamReply>>)> {
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    Query::none(head.uri.query()).map_err(|fault| refused(fault.into()))?;
    let control = control.map_err(refused)?;
    let record = PointsRecord::Control {
        series_id: series.clone(),
        control: Box::new(control),
    };
    let until = Instant::now() + DEFAULT_WAIT;
    let trace = context.and_then(RequestContext::trace);
    match app
        .append(series, record, until, trace)
        .await
        .map_err(refused)?
    {
        Some(Answer::Controlled(Some((reply, is_new)))) => Ok((is_new, Some(reply))),
        Some(Answer::Controlled(None)) => Err(refused(Error::NoStream)),
        Some(Answer::TooMany) => Err(refused(Error::TooManyStreams)),
        Some(Answer::Observed(_) | Answer::Covered) | None => Ok((false, None)),
    }
}

fn accepted(series_id: SeriesId) -> Response {
    let status = PointStatus::Accepted;
    (
        StatusCode::ACCEPTED,
        json(&AcceptedReply { series_id, status }),
    )
        .into_response()
}

impl App {
    /// The stream of `series`.
    pub(crate) async fn show(&self, series: &SeriesId) -> Result<Option<StreamReply>, Error> {
        let partition = partition_of(series, POINT_PARTITIONS);
        let worker = self.worker_of(partition);
        let (reply, shown) = oneshot::channel();
        let work = Work::Show {
            series: series.clone(),
            partition,
            reply,
        };
        if worker.send(work).await.is_ok()
            && let Ok(Some(reply)) = shown.await
        {
            return Ok(Some(reply));
        }
        let (store, id) = (self.shared.store.clone(), series.clone());
        let stored = service::task::on_main(async move { store.stream_states(&[id]).await });
        let stored = stored.await?.pop();
        let Some(stored) = stored.filter(|stored| !stored.state.state.is_empty()) else {
            return Ok(None);
        };
        let age = now().0.saturating_sub(stored.stored_at.0);
        let stream = Stream::from_bytes(&stored.state.state).ok();
        Ok(stream.map(|stream| stream.reply(partition, u64::try_from(age).ok())))
    }
}
