//! `/v1/alerts`: tests of the channels, and what could not be told. The notifier does the telling;
//! both know each other by the outbox only.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use contract::{
    AlertTestReply, AnomalyEvent, FailedAlert, FailedAlertList, IncidentEvent, TestStatus,
    header::SERIES_PREFIXES,
};
use http_server::{BadParameter, Fallible, Query, json};
use serde::Deserialize;
use service::{clock::now, page::limit};
use store::{FailedNotification, Notification, Store};
use tokio::time::{Instant, sleep};

use crate::{App, anomalies::may_see, ask::ask, error::Error};

/// How long the outcome of a test is waited for. Receivers may take longer.
const WAIT: Duration = Duration::from_secs(8);
/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Sends a test by every channel.
pub(crate) async fn test(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        Query::none(head.uri.query())?;
        let until = Instant::now() + WAIT;
        let id = fastrand::u128(..);
        let event = AnomalyEvent::test(format!("test-{id:032x}"), id, now());
        store.put_alert_test(&event).await?;
        loop {
            let outcome = store.alert_test(&event.event_id).await?;
            let is_known = outcome.as_ref().is_some_and(|channels| {
                let mut channels = channels.iter();
                channels.all(|channel| channel.status != TestStatus::Pending)
            });
            if is_known || Instant::now() >= until {
                let status = match is_known {
                    true => StatusCode::OK,
                    false => StatusCode::ACCEPTED,
                };
                let reply = AlertTestReply {
                    event_id: event.event_id,
                    channels: outcome.unwrap_or_default(),
                };
                return Ok((status, json(&reply)).into_response());
            }
            sleep(LOOK_EVERY).await;
        }
    })
    .await
}

/// Lists what could not be told and is not tried again.
pub(crate) async fn failed(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let query = query.of_only(&["limit", "after"])?;
        let after = query.get("after")?.map(str::parse).transpose();
        let after = after.map_err(|_| BadParameter::invalid("after", "it is no next of a page"))?;
        let limit = limit(&query)?;
        // One more tells whether there is a next page.
        let mut found = store.failed_notifications(limit + 1, after).await?;
        let is_last = found.len() <= limit as usize;
        found.truncate(limit as usize);
        let last = found.last().filter(|_| !is_last);
        let next = last.map(|last| last.cursor.to_string());
        let mut failed = Vec::with_capacity(found.len());
        for notification in found {
            if is_seen(&store, &head.headers, &notification.notification).await? {
                failed.push(alert(notification));
            }
        }
        Ok(json(&FailedAlertList { failed, next }))
    })
    .await
}

/// Whether the caller may see `notification`, which is about anomalies of some series.
async fn is_seen(
    store: &Store,
    headers: &HeaderMap,
    notification: &Notification,
) -> Result<bool, Error> {
    if !headers.contains_key(SERIES_PREFIXES) {
        return Ok(true);
    }
    if let Ok(event) = serde_json::from_str::<AnomalyEvent>(&notification.payload) {
        return Ok(may_see(headers, &event.anomaly.series_id));
    }
    let Ok(event) = serde_json::from_str::<IncidentEvent>(&notification.payload) else {
        return Ok(false);
    };
    let incident = store.incident(event.incident_id).await?;
    let anomalies = incident
        .map(|incident| incident.anomalies)
        .unwrap_or_default();
    Ok(anomalies
        .iter()
        .any(|anomaly| may_see(headers, &anomaly.series_id)))
}

/// The part of a payload that clients see.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    incident_id: Option<contract::IncidentId>,
}

fn alert(failed: FailedNotification) -> FailedAlert {
    let notification = failed.notification;
    // One that cannot be read failed for that reason.
    let payload: Payload = serde_json::from_str(&notification.payload).unwrap_or_default();
    FailedAlert {
        event_id: notification.event_id,
        channel: notification.channel,
        kind: payload.kind,
        incident_id: payload.incident_id,
        at: notification.at,
        attempts: u64::try_from(notification.attempts).unwrap_or(0),
        error: failed.error,
    }
}
