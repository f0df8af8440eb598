//! The names of the calls.

use super::{ENDPOINTS, Endpoint};

/// The name of a call, which is also the index of its row in [`ENDPOINTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointName {
    /// Fits a model to the points in the body and makes it the next version of the series.
    Fit,
    /// Judges one point.
    Predict,
    /// Judges many points by a model that is kept.
    Batch,
    /// Fits and judges a series that is not kept.
    Detect,
    /// Draws a model with its training points.
    Plot,
    /// Fits, judges and draws a series that is not kept.
    DetectPlot,
    /// Lists the series.
    ListSeries,
    /// Shows a series with its aliases.
    ShowSeries,
    /// Deletes a series with all its models.
    DeleteSeries,
    /// Lists the models of a series.
    ListModels,
    /// Takes in a model that was exported elsewhere.
    ImportModel,
    /// Shows a model.
    ShowModel,
    /// Deletes a model.
    DeleteModel,
    /// Exports a model as a file.
    ExportModel,
    /// Shows which version an alias names.
    ShowAlias,
    /// Lets an alias name a version.
    SetAlias,
    /// Removes an alias.
    RemoveAlias,
    /// Makes the previous champion serve again.
    RollBack,
    /// Judges points of a stream and learns them.
    Observe,
    /// Takes points of any streams, which are judged later.
    AppendPoints,
    /// Shows a stream.
    ShowStream,
    /// Begins a stream, or changes its options.
    SetStream,
    /// Ends a stream.
    EndStream,
    /// Begins a stream anew.
    RestartStream,
    /// Shows the points of a stream.
    ListPoints,
    /// Lists anomalies.
    ListAnomalies,
    /// Lists the anomalies of a series.
    ListSeriesAnomalies,
    /// Shows an anomaly.
    ShowAnomaly,
    /// Says what an anomaly is.
    SetFeedback,
    /// Takes back what was said of an anomaly.
    RemoveFeedback,
    /// Lists incidents.
    ListIncidents,
    /// Shows an incident.
    ShowIncident,
    /// Lists silences.
    ListSilences,
    /// Makes a silence.
    CreateSilence,
    /// Removes a silence.
    DeleteSilence,
    /// Tells everybody who is told of anomalies that this is a test.
    TestAlerts,
    /// Lists what could not be told.
    ListFailedAlerts,
    /// Takes samples as Prometheus sends them, which are judged later.
    RemoteWrite,
    /// Shows the figures of all services.
    Healthcheck,
    /// Lists all series, those that need attention first.
    Overview,
    /// Counts anomalies by time and severity.
    AlarmHistogram,
    /// Puts an API key into a cookie, for web pages.
    BeginSession,
    /// Removes that cookie.
    EndSession,
    /// Tells what happens, as it happens.
    Events,
    /// Shows what runs, how well, and how the last hour was.
    System,
    /// Judges a whole series, its last point or its level, as Azure Anomaly Detector does.
    AzureDetect,
    /// Tells what this is, as the Open Inference Protocol asks.
    InferServer,
    /// Shows what the model of a series takes and gives.
    InferModel,
    /// The same of one version.
    InferModelVersion,
    /// Tells whether the model of a series can judge.
    InferReady,
    /// The same of one version.
    InferReadyVersion,
    /// Judges points that come as tensors.
    Infer,
    /// The same by one version.
    InferVersion,
}

/// The form in which a call tells its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorForm {
    /// A [`Problem`](crate::Problem).
    Problem,
    /// An [`AzureError`](crate::azure::AzureError).
    Azure,
    /// `{"error": …}`, as the Open Inference Protocol has it.
    OpenInference,
}

impl EndpointName {
    /// The row of this call.
    pub const fn endpoint(self) -> &'static Endpoint {
        &ENDPOINTS[self as usize]
    }

    /// The form in which it tells its errors.
    pub const fn error_form(self) -> ErrorForm {
        match self {
            Self::AzureDetect => ErrorForm::Azure,
            Self::InferServer
            | Self::InferModel
            | Self::InferModelVersion
            | Self::InferReady
            | Self::InferReadyVersion
            | Self::Infer
            | Self::InferVersion => ErrorForm::OpenInference,
            _ => ErrorForm::Problem,
        }
    }
}
