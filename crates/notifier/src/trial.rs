//! Tests: whether each channel can be told. Each is tried once, whatever the silences and the least
//! severity are.

use contract::{
    AnomalyEvent, AnomalyEventKind, IncidentEventKind, IncidentId, IncidentNotification,
    IncidentReport, Moment,
};
use futures_util::future::join_all;
use store::Notification;

use crate::{
    Teller,
    alertmanager::test_alert,
    metrics::{ALERTMANAGER, SENT},
    people::Failure,
};

/// The test in `payload`; `None` if it is something else.
pub(crate) fn read(payload: &str) -> Option<AnomalyEvent> {
    let event: AnomalyEvent = serde_json::from_str(payload).ok()?;
    (event.kind == AnomalyEventKind::Test).then_some(event)
}

impl Teller {
    /// Sends `test` by the channel of `notification`.
    pub(crate) async fn try_out(
        &self,
        notification: &Notification,
        test: &AnomalyEvent,
        now: Moment,
    ) -> Result<&'static str, Failure> {
        if notification.channel == ALERTMANAGER {
            return self.try_alertmanagers(test, now).await;
        }
        let sent = self.send(notification, &message(test), now).await;
        sent.map_err(|failure| Failure {
            is_final: true,
            ..failure
        })
    }

    async fn try_alertmanagers(
        &self,
        test: &AnomalyEvent,
        now: Moment,
    ) -> Result<&'static str, Failure> {
        let alert = [test_alert(&test.anomaly, now)];
        let told = self.channels.alertmanagers.iter().map(async |target| {
            let told = self.tell_alertmanager(target, &alert).await;
            told.map_err(|error| format!("{target}: {error}"))
        });
        let errors = join_all(told).await.into_iter().filter_map(Result::err);
        let errors: Vec<String> = errors.collect();
        match errors.is_empty() {
            true => Ok(SENT),
            false => Err(Failure {
                error: errors.join("; "),
                retry_after: None,
                is_final: true,
            }),
        }
    }
}

fn message(test: &AnomalyEvent) -> IncidentNotification {
    let anomaly = &test.anomaly;
    IncidentNotification {
        kind: IncidentEventKind::Test,
        timestamp: test.at,
        data: IncidentReport {
            incident_id: IncidentId(anomaly.anomaly_id.0),
            group: anomaly.series_id.to_string(),
            severity: anomaly.severity,
            count: 1,
            anomalies: vec![anomaly.clone()],
        },
    }
}
