//! Open anomalies for Alertmanagers, by state: all of them are told again and again, so one that
//! was away or restarted has all of them soon, and an alert ends by itself if we do.

use std::collections::BTreeMap;

use contract::{Anomaly, AnomalyKind, Labels, Moment};
use futures_util::future::join_all;
use serde_json::{Value, json};
use store::StoreError;

use crate::{
    Teller,
    http::Target,
    metrics::{self, ALERTMANAGER, RETRIED, SENT},
};

/// How long an alert goes on after it was told last.
const GOES_ON_MS: i64 = 2 * 60_000;
/// How long the end of an alert is told.
const ENDED_MS: i64 = 15 * 60_000;
/// The most alerts in a request.
const MAX_ALERTS: usize = 500;

impl Teller {
    /// Tells every Alertmanager which alerts there are at `now`. What one of them refuses is told
    /// again next time.
    pub(crate) async fn tell_alertmanagers(&self, now: Moment) -> Result<(), StoreError> {
        if self.channels.alertmanagers.is_empty() {
            return Ok(());
        }
        let since = Moment(now.0.saturating_sub(ENDED_MS));
        let mut anomalies = self.store.open_anomalies_for_alerts(since).await?;
        let silences = self.silences().await?;
        let least = self.channels.min_severity;
        anomalies.retain(|a| a.severity >= least && !silences.cover(a, now));
        let alerts = alerts(&anomalies, now);
        let told = self.channels.alertmanagers.iter().zip(&self.fails);
        join_all(told.map(async |(target, fails)| {
            let error = self.tell_alertmanager(target, &alerts).await.err();
            let failed = fails.swap(error.is_some(), std::sync::atomic::Ordering::Relaxed);
            match error {
                Some(error) if !failed => {
                    tracing::warn!(host = %target, error, "an Alertmanager takes no alerts; it is told until it does");
                }
                None if failed => tracing::info!(host = %target, "the Alertmanager takes alerts"),
                _ => {}
            }
        }))
        .await;
        Ok(())
    }

    pub(crate) async fn tell_alertmanager(
        &self,
        target: &Target,
        alerts: &[Value],
    ) -> Result<(), String> {
        for part in alerts.chunks(MAX_ALERTS) {
            let body = Value::from(part).to_string();
            let error = match self.client.post(target, &[], body).await {
                Ok(reply) if reply.status.is_success() => None,
                Ok(reply) => Some(format!("it answers {}", reply.status.as_u16())),
                Err(error) => Some(error.to_string()),
            };
            let result = if error.is_some() { RETRIED } else { SENT };
            metrics::count(ALERTMANAGER, result);
            error.map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}

/// The alerts of `anomalies`, which are in the order in which they were found. One alert has one
/// set of labels: an open anomaly goes before those that are over, and a later one before the
/// earlier.
fn alerts(anomalies: &[Anomaly], now: Moment) -> Vec<Value> {
    let mut alerts: BTreeMap<Labels, &Anomaly> = BTreeMap::new();
    for anomaly in anomalies {
        let entry = alerts.entry(labels(anomaly)).or_insert(anomaly);
        if entry.closed_at.is_some() || anomaly.closed_at.is_none() {
            *entry = anomaly;
        }
    }
    let alert = |(labels, anomaly): (&Labels, &&Anomaly)| alert(labels, anomaly, now);
    alerts.iter().map(alert).collect()
}

/// The alert of a test.
pub(crate) fn test_alert(anomaly: &Anomaly, now: Moment) -> Value {
    let mut labels = labels(anomaly);
    labels.insert("alertname".to_owned(), "AnomalyTest".to_owned());
    alert(&labels, anomaly, now)
}

fn alert(labels: &Labels, anomaly: &Anomaly, now: Moment) -> Value {
    let goes_on = Moment(now.0.saturating_add(GOES_ON_MS));
    let mut annotations = Labels::from([("reason".to_owned(), anomaly.reason.clone())]);
    let numbers = [
        ("value", anomaly.value),
        ("expected", anomaly.expected),
        ("lower", anomaly.lower),
        ("upper", anomaly.upper),
    ];
    for (name, number) in numbers {
        let number = number.map(|number| (name.to_owned(), number.to_string()));
        annotations.extend(number);
    }
    annotations.insert("anomaly_id".to_owned(), anomaly.anomaly_id.to_string());
    json!({
        "labels": labels,
        "annotations": annotations,
        "startsAt": anomaly.opened_at,
        "endsAt": anomaly.closed_at.unwrap_or(goes_on),
    })
}

/// The labels of an alert: those of the series, and ours, which go first.
fn labels(anomaly: &Anomaly) -> Labels {
    let named = anomaly.labels.iter().filter(|(_, value)| !value.is_empty());
    let mut labels: Labels = named.map(|(n, v)| (label_name(n), v.clone())).collect();
    let name = match anomaly.kind {
        AnomalyKind::Missing => "SeriesSilent",
        _ => "Anomaly",
    };
    let detector = anomaly
        .detector
        .map(|detector| ("detector", detector.as_str()));
    let ours = [
        ("alertname", name),
        ("series", anomaly.series_id.as_str()),
        ("kind", anomaly.kind.as_str()),
        ("severity", anomaly.severity.as_str()),
    ];
    let ours = ours.into_iter().chain(detector);
    labels.extend(ours.map(|(name, value)| (name.to_owned(), value.to_owned())));
    labels
}

/// The name of a label as Alertmanager takes it.
fn label_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' });
    let plain: String = plain.collect();
    match plain.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("_{plain}"),
        false => plain,
    }
}
