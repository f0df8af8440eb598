//! Events of incidents for people, by webhook and Slack.

use std::time::{Duration, SystemTime};

use contract::{
    Incident, IncidentDetail, IncidentEvent, IncidentEventKind, IncidentNotification,
    IncidentReport, Moment,
};
use futures_util::future::try_join_all;
use http::StatusCode;
use serde_json::json;
use store::{Notification, StoreError};

use crate::{
    Teller,
    channels::{SLACK, WEBHOOK},
    http::{Reply, Unreachable},
    metrics::{self, ALERTMANAGER, DEAD, LEFT_OUT, RETRIED, SENT},
    schedule::{pause, retry_after},
    silences::Silences,
    trial,
};

/// The most notifications in flight at once. Each takes as long as a request may at most, which
/// is less than the store lends them out for.
const MAX_IN_FLIGHT: i64 = 16;
/// The most anomalies in a notification.
const MAX_ANOMALIES: usize = 10;
/// The most anomalies in a message to Slack.
const MAX_LINES: usize = 3;

/// Why a notification was not accepted.
pub(crate) struct Failure {
    pub(crate) error: String,
    /// How long the receiver wants not to be asked again.
    pub(crate) retry_after: Option<Duration>,
    /// Whether it will never be.
    pub(crate) is_final: bool,
}

impl Teller {
    /// Sends the notifications that are due at `now`. Returns how many there were.
    pub(crate) async fn tell_people(&self, now: Moment) -> Result<usize, StoreError> {
        let channels = self.channels.names();
        self.store.address_incident_events(&channels, now).await?;
        let tested = self.channels.tested();
        self.store.address_alert_tests(&tested, now).await?;
        // Also what was addressed to a channel that is no longer set: it must not wait for ever.
        let all = [WEBHOOK, SLACK, ALERTMANAGER];
        let due = self.store.due_notifications(&all, now, MAX_IN_FLIGHT);
        let due = due.await?;
        if due.is_empty() {
            return Ok(0);
        }
        let silences = self.silences().await?;
        try_join_all(due.iter().map(|n| self.tell(n, &silences, now))).await?;
        Ok(due.len())
    }

    async fn tell(
        &self,
        notification: &Notification,
        silences: &Silences,
        now: Moment,
    ) -> Result<(), StoreError> {
        if let Some(test) = trial::read(&notification.payload) {
            let sent = self.try_out(notification, &test, now).await;
            return self.note(notification, sent, now).await;
        }
        let sent = match serde_json::from_str::<IncidentEvent>(&notification.payload) {
            Ok(event) => match self.store.incident(event.incident_id).await? {
                Some(incident) => match self.report(&event, incident, silences, now) {
                    Some(message) => self.send(notification, &message, now).await,
                    None => Ok(LEFT_OUT),
                },
                None => Ok(LEFT_OUT),
            },
            Err(error) => Err(Failure {
                error: error.to_string(),
                retry_after: None,
                is_final: true,
            }),
        };
        self.note(notification, sent, now).await
    }

    /// Notes what became of a notification.
    async fn note(
        &self,
        notification: &Notification,
        sent: Result<&'static str, Failure>,
        now: Moment,
    ) -> Result<(), StoreError> {
        match sent {
            Ok(result) => {
                let noted = self.store.notification_sent(&notification.event_id);
                noted.await?;
                metrics::count(&notification.channel, result);
                Ok(())
            }
            Err(failure) => self.failed(notification, failure, now).await,
        }
    }

    /// What is told of an incident. `None`: nothing, as it is silenced or not severe enough.
    fn report(
        &self,
        event: &IncidentEvent,
        detail: IncidentDetail,
        silences: &Silences,
        now: Moment,
    ) -> Option<IncidentNotification> {
        let IncidentDetail {
            incident,
            mut anomalies,
        } = detail;
        anomalies.retain(|anomaly| !silences.cover(anomaly, now));
        if anomalies.is_empty() || incident.severity < self.channels.min_severity {
            return None;
        }
        anomalies.truncate(MAX_ANOMALIES);
        let Incident {
            incident_id,
            group,
            severity,
            count,
            ..
        } = incident;
        Some(IncidentNotification {
            kind: event.kind,
            timestamp: event.at,
            data: IncidentReport {
                incident_id,
                group,
                severity,
                count,
                anomalies,
            },
        })
    }

    /// Sends `message` by webhook or to Slack.
    pub(crate) async fn send(
        &self,
        notification: &Notification,
        message: &IncidentNotification,
        now: Moment,
    ) -> Result<&'static str, Failure> {
        let channels = &self.channels;
        let reply = match (&*notification.channel, &channels.webhook, &channels.slack) {
            (WEBHOOK, Some(webhook), _) => {
                // Nothing in it cannot be written.
                let body = serde_json::to_string(message).unwrap_or_default();
                let headers = webhook.headers(&notification.event_id, now, &body);
                self.client.post(&webhook.target, &headers, body).await
            }
            (SLACK, _, Some(slack)) => {
                let body = json!({"text": text(message)}).to_string();
                self.client.post(slack, &[], body).await
            }
            _ => return Ok(LEFT_OUT),
        };
        accepted(reply).map(|()| SENT)
    }

    async fn failed(
        &self,
        notification: &Notification,
        failure: Failure,
        now: Moment,
    ) -> Result<(), StoreError> {
        let Notification {
            event_id,
            channel,
            attempts,
            ..
        } = notification;
        let error = &failure.error;
        let pause = match failure.is_final {
            true => None,
            false => pause(*attempts, failure.retry_after, fastrand::f64()),
        };
        let retry_at = pause.map(|pause| {
            let pause = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
            Moment(now.0.saturating_add(pause))
        });
        match retry_at {
            Some(at) => {
                metrics::count(channel, RETRIED);
                tracing::warn!(%event_id, %channel, attempts, error, %at, "a notification was not accepted and is sent again");
            }
            None => {
                metrics::count(channel, DEAD);
                tracing::error!(%event_id, %channel, attempts, error, "a notification was not accepted and is given up");
            }
        }
        let failed = self.store.notification_failed(event_id, error, retry_at);
        failed.await
    }
}

/// Whether the receiver took it.
fn accepted(reply: Result<Reply, Unreachable>) -> Result<(), Failure> {
    let reply = reply.map_err(|error| Failure {
        error: error.to_string(),
        retry_after: None,
        is_final: false,
    })?;
    if reply.status.is_success() {
        return Ok(());
    }
    let asked = reply.retry_after.as_deref();
    Err(Failure {
        error: format!("it answers {}", reply.status.as_u16()),
        retry_after: asked.and_then(|value| retry_after(value, SystemTime::now())),
        is_final: reply.status == StatusCode::GONE,
    })
}

/// The message to Slack.
fn text(message: &IncidentNotification) -> String {
    let IncidentReport {
        group,
        severity,
        count,
        anomalies,
        ..
    } = &message.data;
    let what = match message.kind {
        IncidentEventKind::Opened => "Anomaly",
        IncidentEventKind::Escalated => "Anomaly has become worse",
        IncidentEventKind::Resolved => "Anomaly is over",
        IncidentEventKind::Test => "Test",
    };
    let group = escaped(group);
    let anomalies_are = match count {
        1 => "1 anomaly".to_owned(),
        count => format!("{count} anomalies"),
    };
    let mut text = format!("*{what}: {group}* ({severity}, {anomalies_are})");
    for anomaly in anomalies.iter().take(MAX_LINES) {
        let (series, reason) = (anomaly.series_id.as_str(), &anomaly.reason);
        text.push_str(&format!("\n• {}: {}", escaped(series), escaped(reason)));
    }
    text
}

/// `text` without the characters that mean something to Slack.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
