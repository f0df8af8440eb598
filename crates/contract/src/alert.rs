//! `/v1/alerts`: whether people and programs can be told of anomalies, and what could not be told.

use serde::{Deserialize, Serialize};

use crate::{IncidentId, Moment, verdict::words};

words! {
    /// What became of a test on one channel.
    TestStatus {
        /// The receiver has it.
        Sent = "sent",
        /// It could not be sent.
        Failed = "failed",
        /// It is not known yet.
        Pending = "pending",
    }
}

/// The reply of `POST /v1/alerts/test`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertTestReply {
    /// The id of the test; those of its events begin with it.
    pub event_id: String,
    /// The channels that are set. Empty as long as no notifier has taken the test.
    pub channels: Vec<ChannelTest>,
}

/// What became of a test on one channel.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelTest {
    /// The channel: `webhook`, `slack`, `alertmanager` or `topic`.
    pub channel: String,
    /// What became of it.
    pub status: TestStatus,
    /// Why it could not be sent; `null` unless it failed.
    pub error: Option<String>,
}

/// The reply of `GET /v1/alerts/failed`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAlertList {
    /// What could not be told and is not tried again, the newest first.
    pub failed: Vec<FailedAlert>,
    /// The value of `after` for the next page; `null` on the last page.
    pub next: Option<String>,
}

/// Something that could not be told.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAlert {
    /// The id of the event.
    pub event_id: String,
    /// The channel that it was for.
    pub channel: String,
    /// What happened, such as `incident.opened`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The incident; `null` if it is about none.
    pub incident_id: Option<IncidentId>,
    /// When it happened.
    pub at: Moment,
    /// How often it was tried.
    pub attempts: u64,
    /// The last failure.
    pub error: String,
}
