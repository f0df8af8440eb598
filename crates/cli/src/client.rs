//! The HTTP API, with one method for each route.

mod anomaly;
mod registry;
mod stream;

use std::time::Duration;

use contract::{
    ColumnsFitRequest, ColumnsPredictReply, ColumnsPredictRequest, EndpointName, FitReply,
    FitRequest, HealthReply, PredictReply, PredictRequest, SeriesId, VersionRef,
};
use serde::Serialize;
use ureq::http::header::ACCEPT;

use crate::{
    args::{PlotFormat, SizeArgs, TlsFiles},
    http::{
        ApiKeyHeader, BaseUrl, Call, ClientError, Http, InvalidTlsFile, NdjsonReader, Reply,
        encode, retry,
    },
};

pub(crate) use self::stream::Told;

const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// The part of a chart that a picture shows, and how. The platform has defaults for all of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View {
    /// The size of the picture.
    pub(crate) size: SizeArgs,
    /// Timestamp of the earliest point shown.
    pub(crate) from: Option<i64>,
    /// Timestamp of the latest point shown.
    pub(crate) to: Option<i64>,
    /// The kind of picture.
    pub(crate) format: Option<PlotFormat>,
}

impl View {
    /// `first`, and then the query parameters of this view.
    fn parameters<const N: usize>(self, first: [Parameter; N]) -> Vec<Parameter> {
        let SizeArgs {
            width,
            height,
            scale,
        } = self.size;
        let number = |number: Option<u32>| number.map(|n| n.to_string());
        let time = |timestamp: Option<i64>| timestamp.map(|t| t.to_string());
        let view = [
            ("width", number(width)),
            ("height", number(height)),
            ("scale", number(scale)),
            ("from", time(self.from)),
            ("to", time(self.to)),
            ("format", self.format.map(|f| f.name().to_owned())),
        ];
        first.into_iter().chain(view).collect()
    }
}

/// The name and the value of a query parameter; without a value it is left out.
type Parameter = (&'static str, Option<String>);

/// A client of one platform, to be shared by threads.
#[derive(Debug)]
pub(crate) struct Client {
    http: Http,
}

impl Client {
    /// A client with this API key that keeps up to `connections` open. Over TLS it uses `files`.
    pub(crate) fn new(
        url: &BaseUrl,
        key: Option<&ApiKeyHeader>,
        files: &TlsFiles,
        connections: usize,
    ) -> Result<Self, InvalidTlsFile> {
        Ok(Self {
            http: Http::new(url, key, files, connections)?,
        })
    }

    /// Fits a new version of `series`. Sent once: another try could make a second version.
    pub(crate) fn fit(
        &self,
        series: &SeriesId,
        request: &FitRequest,
    ) -> Result<Reply<FitReply>, ClientError> {
        let body = serde_json::to_vec(request).expect("integers and finite numbers are JSON");
        let route = path(EndpointName::Fit, &[series.as_str()]);
        self.http.json(&Call::post(route, &body))
    }

    /// As [`Self::fit`], on columns.
    pub(crate) fn fit_columns(
        &self,
        series: &SeriesId,
        request: &ColumnsFitRequest,
    ) -> Result<Reply<FitReply>, ClientError> {
        let body = serde_json::to_vec(request).expect("integers and finite numbers are JSON");
        let route = path(EndpointName::Fit, &[series.as_str()]);
        self.http.json(&Call::post(route, &body))
    }

    /// Judges one row.
    pub(crate) fn predict_columns(
        &self,
        series: &SeriesId,
        request: &ColumnsPredictRequest,
    ) -> Result<Reply<ColumnsPredictReply>, ClientError> {
        let body = serde_json::to_vec(request).expect("integers and finite numbers are JSON");
        let route = path(EndpointName::Predict, &[series.as_str()]);
        retry(|| self.http.json(&Call::post(&*route, &body)))
    }

    /// Judges one point.
    pub(crate) fn predict(
        &self,
        series: &SeriesId,
        request: &PredictRequest,
    ) -> Result<Reply<PredictReply>, ClientError> {
        let body = serde_json::to_vec(request).expect("integers and finite numbers are JSON");
        let route = path(EndpointName::Predict, &[series.as_str()]);
        retry(|| self.http.json(&Call::post(&*route, &body)))
    }

    /// Fits on the beginning of a series and judges the rest: a verdict on each line, then the
    /// summary.
    pub(crate) fn detect<R: Serialize>(&self, request: &R) -> Result<NdjsonReader, ClientError> {
        let body = body_of(request);
        let accept = Some("application/x-ndjson".to_owned());
        let call = Call::post(path(EndpointName::Detect, &[]), &body).with(ACCEPT, accept);
        let call = call.for_lines();
        retry(|| self.http.lines(&call))
    }

    /// Draws what [`Self::detect`] finds: the bytes of the picture.
    pub(crate) fn detect_plot<R: Serialize>(
        &self,
        request: &R,
        title: Option<String>,
        view: View,
    ) -> Result<Vec<u8>, ClientError> {
        let body = body_of(request);
        let parameters = view.parameters([("title", title)]);
        let route = with_query(&path(EndpointName::DetectPlot, &[]), &parameters);
        retry(|| self.http.bytes(&Call::post(&*route, &body)))
    }

    /// Draws a version of `series`, or the one that serves: the bytes of the picture.
    pub(crate) fn plot(
        &self,
        series: &SeriesId,
        version: Option<&VersionRef>,
        view: View,
    ) -> Result<Vec<u8>, ClientError> {
        let parameters = view.parameters([
            ("series_id", Some(series.to_string())),
            ("version", version.map(|v| v.to_string())),
        ]);
        let route = with_query(&path(EndpointName::Plot, &[]), &parameters);
        retry(|| self.http.bytes(&Call::get(&*route)))
    }

    /// The figures of the platform.
    pub(crate) fn health(&self) -> Result<Reply<HealthReply>, ClientError> {
        let route = path(EndpointName::Healthcheck, &[]);
        self.http.json(&Call::get(route))
    }

    /// Asks whether the service takes requests: the reply's body if it does.
    pub(crate) fn ready(&self) -> Result<String, ClientError> {
        let body = self
            .http
            .bytes(&Call::get("/readyz").within(READY_TIMEOUT))?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}

fn body_of<R: Serialize>(request: &R) -> Vec<u8> {
    serde_json::to_vec(request).expect("integers and finite numbers are JSON")
}

/// The path of the call `name`, with one of `values` for each parameter, in the order of the path.
fn path(name: EndpointName, values: &[&str]) -> String {
    let mut values = values.iter();
    let segments = name.endpoint().path.split('/').map(|segment| {
        if segment.starts_with('{') {
            let value = values.next().expect("the caller knows the parameters");
            encode(value).to_string()
        } else {
            segment.to_owned()
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// `route` with those of `parameters` that have a value.
fn with_query(route: &str, parameters: &[Parameter]) -> String {
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
