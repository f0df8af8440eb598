//! Routes of streams.

use contract::{
    AcceptedPoints, AcceptedReply, EndpointName, ObserveManyReply, ObserveReply, Point, Restart,
    SeriesId, StreamOptions, StreamReply,
};
use serde::{Deserialize, Serialize};

use super::{Client, body_of, path, with_query};
use crate::http::{Call, ClientError, Reply, retry, retry_unanswered};

/// The longest wait for a verdict that the platform allows, in milliseconds.
const WAIT_MS: &str = "10000";

/// One point to observe.
#[derive(Serialize)]
struct OnePoint {
    timestamp: i64,
    value: f64,
}

/// Several points to observe.
#[derive(Serialize)]
struct ManyPoints {
    timestamps: Vec<i64>,
    values: Vec<f64>,
}

/// A reply that says what became of points, or that this is not known yet.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Told<T> {
    /// What became of them.
    Done(T),
    /// They are kept. Nothing more is known yet.
    Accepted(AcceptedReply),
}

impl<T> Told<T> {
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

impl Client {
    /// Judges one point and learns it. Another try is safe.
    pub(crate) fn observe(
        &self,
        series: &SeriesId,
        point: Point,
        notify: bool,
    ) -> Result<Reply<Told<ObserveReply>>, ClientError> {
        let Point { timestamp, value } = point;
        let body = body_of(&OnePoint { timestamp, value });
        let route = observe_route(series, notify);
        retry(|| self.http.json(&Call::post(&*route, &body)))
    }

    /// Judges points and learns them. Once the platform is known to be there (`is_known`), it is
    /// asked again for a while if it gives no answer or no verdict.
    pub(crate) fn observe_many(
        &self,
        series: &SeriesId,
        points: &[Point],
        notify: bool,
        is_known: bool,
    ) -> Result<Reply<Told<ObserveManyReply>>, ClientError> {
        let call = || self.observe_many_once(series, points, notify);
        match is_known {
            true => retry_unanswered(call, |reply: &Reply<Told<_>>| reply.body.is_done()),
            false => retry(call),
        }
    }

    /// As [`Self::observe_many`], with a single try.
    pub(crate) fn observe_many_once(
        &self,
        series: &SeriesId,
        points: &[Point],
        notify: bool,
    ) -> Result<Reply<Told<ObserveManyReply>>, ClientError> {
        let body = body_of(&ManyPoints {
            timestamps: points.iter().map(|p| p.timestamp).collect(),
            values: points.iter().map(|p| p.value).collect(),
        });
        let route = observe_route(series, notify);
        self.http.json(&Call::post(&*route, &body))
    }

    /// Stores points of any series, which are judged soon: `lines` has a JSON object on each line.
    /// As [`Self::observe_many`] otherwise.
    pub(crate) fn append_points(
        &self,
        lines: &[u8],
        notify: bool,
        is_known: bool,
    ) -> Result<Reply<AcceptedPoints>, ClientError> {
        let route = with_query(
            &path(EndpointName::AppendPoints, &[]),
            &[("notify", quiet(notify))],
        );
        let call = || self.http.json(&Call::post(&*route, lines));
        match is_known {
            true => retry_unanswered(call, |_| true),
            false => retry(call),
        }
    }

    /// The stream of `series`.
    pub(crate) fn stream(&self, series: &SeriesId) -> Result<Reply<StreamReply>, ClientError> {
        let route = path(EndpointName::ShowStream, &[series.as_str()]);
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// Begins a stream or changes its options. Sent once.
    pub(crate) fn set_stream(
        &self,
        series: &SeriesId,
        options: &StreamOptions,
    ) -> Result<Reply<Told<StreamReply>>, ClientError> {
        let body = body_of(options);
        let route = path(EndpointName::SetStream, &[series.as_str()]);
        self.http.json(&Call::put(route, &body))
    }

    /// Lets a stream begin anew. Sent once.
    pub(crate) fn restart_stream(
        &self,
        series: &SeriesId,
        restart: &Restart,
    ) -> Result<Reply<Told<StreamReply>>, ClientError> {
        let body = body_of(restart);
        let route = path(EndpointName::RestartStream, &[series.as_str()]);
        self.http.json(&Call::post(route, &body))
    }

    /// Ends a stream. Sent once.
    pub(crate) fn end_stream(&self, series: &SeriesId) -> Result<(), ClientError> {
        let route = path(EndpointName::EndStream, &[series.as_str()]);
        self.http.bytes(&Call::delete(route)).map(drop)
    }
}

fn observe_route(series: &SeriesId, notify: bool) -> String {
    with_query(
        &path(EndpointName::Observe, &[series.as_str()]),
        &[
            ("wait_ms", Some(WAIT_MS.to_owned())),
            ("notify", quiet(notify)),
        ],
    )
}

/// The query parameter `notify`, which is left out where it is as by default.
fn quiet(notify: bool) -> Option<String> {
    (!notify).then(|| "false".to_owned())
}
