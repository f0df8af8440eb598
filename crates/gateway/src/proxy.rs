//! Passing requests on: a place for each, the right service, and an honest answer when that has none.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use contract::{Revision, SeriesId};
use http::{HeaderName, StatusCode};
use http_client::{Call, FastOutcome, PipelinedOutcome, RequestHead, Upload, Upstream};
use http_server::{Fallible, Fast, FastRequest, Later, read_body};
use service::series::{decode_series, decode_series_text};

use crate::{
    Settings,
    failure::no_reply,
    limits::ConcurrencyLimit,
    metrics::{Measured, Route},
    revisions::RevisionTracker,
};

/// The longest body of a prediction, in bytes: a point is a hundred, and a context has up to 2,048.
const MAX_PREDICT_BYTES: usize = 256 * 1024;

/// The longest body of a change to a series, in bytes: it names a version.
const MAX_CHANGE_BYTES: u64 = 64 * 1024;

/// The most health checks in flight.
const MAX_INFLIGHT_HEALTHCHECK: usize = 64;

/// The most questions about series, and changes to them, in flight: each is a statement or two in the database.
const MAX_INFLIGHT_SERIES: usize = 64;

/// How long the trainer may take for one of these.
const SERIES_TIMEOUT: Duration = Duration::from_secs(15);

/// The revision of a series after a change, in the trainer's replies.
const SERIES_REVISION: HeaderName = HeaderName::from_static(contract::header::SERIES_REVISION);

/// When to come again after a refusal: what takes a place takes it for long, or for less than a millisecond.
const A_SECOND: Duration = Duration::from_secs(1);
const A_MOMENT: Duration = Duration::from_millis(100);

/// What the gateway's handlers share.
pub(crate) struct Proxy {
    pub(crate) trainer: Upstream,
    pub(crate) predictor: Upstream,
    settings: Settings,
    newest: RevisionTracker,
    fits: ConcurrencyLimit,
    predictions: ConcurrencyLimit,
    detections: ConcurrencyLimit,
    plots: ConcurrencyLimit,
    series: ConcurrencyLimit,
    pub(crate) healthchecks: ConcurrencyLimit,
}

impl Proxy {
    pub(crate) fn new(settings: Settings, trainer: Upstream, predictor: Upstream) -> Self {
        Self {
            trainer,
            predictor,
            newest: RevisionTracker::new(),
            fits: ConcurrencyLimit::new(settings.max_inflight_fit, A_SECOND),
            predictions: ConcurrencyLimit::new(settings.max_inflight_predict, A_MOMENT),
            detections: ConcurrencyLimit::new(settings.max_inflight_detect, A_SECOND),
            plots: ConcurrencyLimit::new(settings.max_inflight_plot, A_SECOND),
            series: ConcurrencyLimit::new(MAX_INFLIGHT_SERIES, A_MOMENT),
            healthchecks: ConcurrencyLimit::new(MAX_INFLIGHT_HEALTHCHECK, A_SECOND),
            settings,
        }
    }

    /// Has the trainer fit a series. The new revision is noted before the client hears of it.
    pub(crate) async fn fit(&self, parts: Parts, body: Body) -> Fallible<Response> {
        let permit = self.fits.take(Route::Fit)?;
        let series = decode_series(segment(&parts, 1))?;
        let upload = Upload::new(body, self.settings.max_body_bytes)?;
        let head = RequestHead::of(parts);
        let call = Call::streamed(head, upload, self.settings.fit_timeout());
        let response = self.ask_trainer(call).await?;
        self.note(series, &response);
        Ok(permit.retain_until_sent(response))
    }

    /// Has the predictor judge a point, as the series was when a client was last told of it, or later.
    pub(crate) async fn predict(&self, parts: Parts, body: Body) -> Fallible<Response> {
        let _permit = self.predictions.take(Route::Predict)?;
        self.ask_predictor(self.prediction(parts, body).await?.pipelined())
            .await
    }

    /// The same on the fast path: for a request that it can be done for with no more than a look at it.
    pub(crate) fn predict_fast(
        proxy: &Arc<Self>,
        request: &FastRequest<'_>,
        reply: &mut Vec<u8>,
    ) -> Fast {
        let Ok(series) = decode_series_text(request.segment) else {
            return Fast::Fallthrough;
        };
        let Some(permit) = proxy.predictions.place() else {
            return Fast::Fallthrough;
        };
        let measured = Measured::start(Route::Predict);
        let newest = proxy.newest.newest(&series);
        let timeout = proxy.settings.predict_timeout();
        match proxy.predictor.ask_fast(request, newest, timeout, reply) {
            FastOutcome::Fallthrough => Fast::Fallthrough,
            FastOutcome::Replied => {
                measured.answered(StatusCode::OK);
                Fast::Replied
            }
            FastOutcome::Later(answer) => {
                let proxy = Arc::clone(proxy);
                Fast::Later(Box::pin(async move {
                    match answer.await {
                        Ok(body) => {
                            measured.answered(StatusCode::OK);
                            drop(permit);
                            Later::Replied(body)
                        }
                        Err(outcome) => Later::Fallback(Box::new(move |request| {
                            Box::pin(async move {
                                let response = proxy.predict_after(outcome, request).await;
                                let response = response.unwrap_or_else(IntoResponse::into_response);
                                measured.answered(response.status());
                                drop(permit);
                                response
                            })
                        })),
                    }
                }))
            }
        }
    }

    /// Has the predictor judge a point for which the fast path has tried this.
    async fn predict_after(
        &self,
        outcome: PipelinedOutcome,
        request: Request,
    ) -> Fallible<Response> {
        let (parts, body) = request.into_parts();
        let call = self.prediction(parts, body).await?;
        let response = self.predictor.ask_after(outcome, call).await;
        response.map_err(|error| no_reply("predictor", error))
    }

    /// What the predictor is asked for a prediction.
    async fn prediction(&self, parts: Parts, body: Body) -> Fallible<Call> {
        let newest = self.newest.newest(&decode_series_text(segment(&parts, 1))?);
        let body = read_body(body, MAX_PREDICT_BYTES).await?;
        let head = RequestHead::of(parts).bare().with_min_revision(newest);
        Ok(Call::whole(head, body, self.settings.predict_timeout()))
    }

    /// Has the predictor judge many points, in the same way.
    pub(crate) async fn batch(&self, parts: Parts, body: Body) -> Fallible<Response> {
        let permit = self.detections.take(Route::Batch)?;
        let newest = self.newest.newest(&decode_series_text(segment(&parts, 1))?);
        let upload = Upload::new(body, self.settings.max_body_bytes)?;
        let head = RequestHead::of(parts).with_min_revision(newest);
        let call = Call::streamed(head, upload, self.settings.detect_timeout());
        Ok(permit.retain_until_sent(self.ask_predictor(call).await?))
    }

    /// Has the predictor fit and judge a series that is not kept.
    pub(crate) async fn detect(&self, parts: Parts, body: Body) -> Fallible<Response> {
        let permit = self.detections.take(Route::Detect)?;
        let upload = Upload::new(body, self.settings.max_body_bytes)?;
        let head = RequestHead::of(parts);
        let call = Call::streamed(head, upload, self.settings.detect_timeout());
        Ok(permit.retain_until_sent(self.ask_predictor(call).await?))
    }

    /// Has the trainer draw a series.
    pub(crate) async fn plot(&self, parts: Parts) -> Fallible<Response> {
        let permit = self.plots.take(Route::Plot)?;
        let head = RequestHead::of(parts);
        let call = Call::whole(head, Bytes::new(), self.settings.plot_timeout());
        Ok(permit.retain_until_sent(self.ask_trainer(call).await?))
    }

    /// Has the trainer draw a series that is not kept, judged.
    pub(crate) async fn detect_plot(&self, parts: Parts, body: Body) -> Fallible<Response> {
        let permit = self.plots.take(Route::DetectPlot)?;
        let upload = Upload::new(body, self.settings.max_body_bytes)?;
        let head = RequestHead::of(parts);
        let call = Call::streamed(head, upload, self.settings.plot_timeout());
        Ok(permit.retain_until_sent(self.ask_trainer(call).await?))
    }

    /// Asks the trainer about all series, or about one.
    pub(crate) async fn ask_of_series(&self, parts: Parts) -> Fallible<Response> {
        let permit = self.series.take(Route::Series)?;
        let series = match segment(&parts, 2) {
            "" => None,
            series => Some(decode_series(series)?),
        };
        let head = RequestHead::of(parts).with_conditions();
        let call = Call::whole(head, Bytes::new(), SERIES_TIMEOUT);
        let response = self.ask_trainer(call).await?;
        if let Some(series) = series {
            self.note(series, &response);
        }
        Ok(permit.retain_until_sent(response))
    }

    /// Has the trainer change a series: once, whatever happens on the way. The new revision is noted as after a fit.
    pub(crate) async fn change_series(&self, parts: Parts, body: Body) -> Fallible<Response> {
        let permit = self.series.take(Route::Series)?;
        let upload = Upload::new(body, MAX_CHANGE_BYTES)?;
        let response = self.change(parts, upload, SERIES_TIMEOUT).await?;
        Ok(permit.retain_until_sent(response))
    }

    /// Has the trainer take a model in: as long and as costly as a fit.
    pub(crate) async fn import(&self, parts: Parts, body: Body) -> Fallible<Response> {
        let permit = self.fits.take(Route::Series)?;
        let upload = Upload::new(body, self.settings.max_body_bytes)?;
        let response = self
            .change(parts, upload, self.settings.fit_timeout())
            .await?;
        Ok(permit.retain_until_sent(response))
    }

    async fn change(&self, parts: Parts, upload: Upload, timeout: Duration) -> Fallible<Response> {
        let series = decode_series(segment(&parts, 2))?;
        let head = RequestHead::of(parts).with_conditions();
        let call = Call::streamed(head, upload, timeout);
        let response = self.ask_trainer(call).await?;
        self.note(series, &response);
        Ok(response)
    }

    async fn ask_trainer(&self, call: Call) -> Fallible<Response> {
        let response = self.trainer.call(call).await;
        response.map_err(|error| no_reply("trainer", error))
    }

    async fn ask_predictor(&self, call: Call) -> Fallible<Response> {
        let response = self.predictor.call(call).await;
        response.map_err(|error| no_reply("predictor", error))
    }

    /// Takes note of what `response` says of `series`.
    fn note(&self, series: SeriesId, response: &Response) {
        if response.status().is_success()
            && let Some(revision) = revision_of(response)
        {
            self.newest.note(series, revision);
        }
    }
}

/// The segment `index` of the path, counted from 0, as it came; empty where there is none.
fn segment(parts: &Parts, index: usize) -> &str {
    // A path begins with a slash, so there is an empty text before the first segment.
    let mut segments = parts.uri.path().split('/').skip(1);
    segments.nth(index).unwrap_or_default()
}

fn revision_of(response: &Response) -> Option<Revision> {
    let value = response.headers().get(SERIES_REVISION)?;
    value.to_str().ok()?.parse().ok()
}
