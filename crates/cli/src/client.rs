//! The HTTP API, one method a route.

mod registry;

use std::time::Duration;

use contract::{
    DetectRequest, FitReply, FitRequest, HealthReply, PredictReply, PredictRequest, SeriesId,
    VersionRef,
};
use ureq::http::header::ACCEPT;

use crate::{
    args::PlotFormat,
    http::{BaseUrl, Call, ClientError, Http, Lines, Reply, encode, persist},
};

const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// Which picture of a series.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlotQuery {
    /// Of which version; of the one that serves if none.
    pub(crate) version: Option<VersionRef>,
    /// Width in pixels, if not the platform's default.
    pub(crate) width: Option<u32>,
    /// Height in pixels, if not the platform's default.
    pub(crate) height: Option<u32>,
    /// Timestamp of the earliest point shown, if not the first.
    pub(crate) from: Option<i64>,
    /// Timestamp of the latest point shown, if not the last.
    pub(crate) to: Option<i64>,
    /// Kind of picture, if not the platform's default.
    pub(crate) format: Option<PlotFormat>,
}

/// A client of one platform, to be shared by threads.
#[derive(Debug)]
pub(crate) struct Client {
    http: Http,
}

impl Client {
    /// A client that keeps up to `connections` open.
    pub(crate) fn new(url: &BaseUrl, connections: usize) -> Self {
        Self {
            http: Http::new(url, connections),
        }
    }

    /// Fits a new version of `series`. Sent once: another try could make another version.
    pub(crate) fn fit(
        &self,
        series: &SeriesId,
        request: &FitRequest,
    ) -> Result<Reply<FitReply>, ClientError> {
        let body = serde_json::to_vec(request).expect("integers and finite numbers are JSON");
        let route = format!("/fit/{}", encode(series.as_str()));
        self.http.json(&Call::post(route, &body))
    }

    /// Judges one point.
    pub(crate) fn predict(
        &self,
        series: &SeriesId,
        request: &PredictRequest,
    ) -> Result<Reply<PredictReply>, ClientError> {
        let body = serde_json::to_vec(request).expect("integers and finite numbers are JSON");
        let route = format!("/predict/{}", encode(series.as_str()));
        persist(|| self.http.json(&Call::post(&*route, &body)))
    }

    /// Fits on the beginning of a series and judges the rest: a verdict a line, then the summary.
    pub(crate) fn detect(&self, request: &DetectRequest) -> Result<Lines, ClientError> {
        let body = body_of(request);
        let accept = Some("application/x-ndjson".to_owned());
        let call = Call::post("/v1/detect", &body).with(ACCEPT, accept);
        let call = call.for_lines();
        persist(|| self.http.lines(&call))
    }

    /// Draws what [`Self::detect`] says, below `title`: the bytes of the picture.
    pub(crate) fn detect_plot(
        &self,
        request: &DetectRequest,
        title: Option<String>,
        format: Option<PlotFormat>,
    ) -> Result<Vec<u8>, ClientError> {
        let body = body_of(request);
        let format = format.map(|format| format.name().to_owned());
        let parameters = [("title", title), ("format", format)];
        let route = with_query("/v1/detect/plot", &parameters);
        persist(|| self.http.bytes(&Call::post(&*route, &body)))
    }

    /// Draws one version of `series`: the bytes of the picture.
    pub(crate) fn plot(&self, series: &SeriesId, query: PlotQuery) -> Result<Vec<u8>, ClientError> {
        let pixels = |number: Option<u32>| number.map(|n| n.to_string());
        let time = |timestamp: Option<i64>| timestamp.map(|t| t.to_string());
        let route = with_query(
            "/plot",
            &[
                ("series_id", Some(series.to_string())),
                ("version", query.version.map(|v| v.to_string())),
                ("width", pixels(query.width)),
                ("height", pixels(query.height)),
                ("from", time(query.from)),
                ("to", time(query.to)),
                ("format", query.format.map(|f| f.name().to_owned())),
            ],
        );
        persist(|| self.http.bytes(&Call::get(&*route)))
    }

    /// The figures of the platform.
    pub(crate) fn health(&self) -> Result<Reply<HealthReply>, ClientError> {
        self.http.json(&Call::get("/healthcheck"))
    }

    /// Asks whether the service takes requests: the reply's body if it does.
    pub(crate) fn ready(&self) -> Result<String, ClientError> {
        let body = self
            .http
            .bytes(&Call::get("/readyz").within(READY_TIMEOUT))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

fn body_of(request: &DetectRequest) -> Vec<u8> {
    serde_json::to_vec(request).expect("integers and finite numbers are JSON")
}

/// `route` with those parameters that have a value.
fn with_query(route: &str, parameters: &[(&str, Option<String>)]) -> String {
    let mut route = route.to_owned();
    let mut before = '?';
    for (name, value) in parameters {
        if let Some(value) = value {
            route.push_str(&format!("{before}{name}={}", encode(value)));
            before = '&';
        }
    }
    route
}
