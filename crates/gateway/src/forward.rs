//! Passing requests on: a place for each, the right service, and an honest answer when that has none.

use std::time::Duration;

use axum::{body::Body, http::request::Parts, response::Response};
use contract::Version;
use service::http::{Fallible, decode_series, decode_series_text, read_body};

use crate::{
    Settings,
    failure::no_reply,
    freshness::Freshness,
    limits::Limit,
    metrics::Route,
    upstream::{Call, RequestHead, Upload, Upstream},
};

/// The longest body of a prediction, in bytes: a point is a hundred.
const MAX_POINT_BYTES: usize = 64 * 1024;

/// The most health checks in flight.
const MAX_INFLIGHT_HEALTHCHECK: usize = 64;

/// When to come again after a refusal: what takes a place takes it for long, or for less than a millisecond.
const A_SECOND: Duration = Duration::from_secs(1);
const A_MOMENT: Duration = Duration::from_millis(100);

/// What the gateway's handlers share.
pub(crate) struct Forwarder {
    pub(crate) trainer: Upstream,
    pub(crate) predictor: Upstream,
    settings: Settings,
    newest: Freshness,
    fits: Limit,
    predictions: Limit,
    plots: Limit,
    pub(crate) healthchecks: Limit,
}

impl Forwarder {
    pub(crate) fn new(settings: Settings, trainer: Upstream, predictor: Upstream) -> Self {
        Self {
            trainer,
            predictor,
            newest: Freshness::new(),
            fits: Limit::new(Route::Fit, settings.max_inflight_fit, A_SECOND),
            predictions: Limit::new(Route::Predict, settings.max_inflight_predict, A_MOMENT),
            plots: Limit::new(Route::Plot, settings.max_inflight_plot, A_SECOND),
            healthchecks: Limit::new(Route::Healthcheck, MAX_INFLIGHT_HEALTHCHECK, A_SECOND),
            settings,
        }
    }

    /// Has the trainer fit a series. The new version is noted before the client hears of it.
    pub(crate) async fn fit(&self, parts: Parts, body: Body) -> Fallible<Response> {
        let place = self.fits.take()?;
        let series = decode_series(series_of(&parts))?;
        let upload = Upload::new(body, self.settings.max_body_bytes)?;
        let head = RequestHead::of(parts);
        let call = Call::streamed(head, upload, self.settings.fit_timeout());
        let response = self.trainer.call(call).await;
        let response = response.map_err(|error| no_reply("trainer", error))?;
        if response.status().is_success()
            && let Some(version) = version_of(&response)
        {
            self.newest.note(series, version);
        }
        Ok(place.until_sent(response))
    }

    /// Has the predictor judge a point, with the newest version that a client was told of or a newer one.
    pub(crate) async fn predict(&self, parts: Parts, body: Body) -> Fallible<Response> {
        let _place = self.predictions.take()?;
        let newest = self.newest.newest(&decode_series_text(series_of(&parts))?);
        let body = read_body(body, MAX_POINT_BYTES).await?;
        let head = RequestHead::of(parts).with_min_version(newest);
        let call = Call::whole(head, body, self.settings.predict_timeout());
        let response = self.predictor.call(call).await;
        response.map_err(|error| no_reply("predictor", error))
    }

    /// Has the trainer draw a series.
    pub(crate) async fn plot(&self, parts: Parts) -> Fallible<Response> {
        let place = self.plots.take()?;
        let head = RequestHead::of(parts);
        let call = Call::whole(head, bytes::Bytes::new(), self.settings.plot_timeout());
        let response = self.trainer.call(call).await;
        let response = response.map_err(|error| no_reply("trainer", error))?;
        Ok(place.until_sent(response))
    }
}

/// The last segment of the path, as it came.
fn series_of(parts: &Parts) -> &str {
    let (_, segment) = parts.uri.path().rsplit_once('/').unwrap_or_default();
    segment
}

fn version_of(response: &Response) -> Option<Version> {
    let value = response.headers().get("x-model-version")?;
    value.to_str().ok()?.parse().ok()
}
