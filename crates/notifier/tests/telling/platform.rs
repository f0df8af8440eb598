//! A store with anomalies in it, and a notifier over it.

use std::fs;

use bus::Bus;
use contract::{
    Anomaly, AnomalyEventKind, AnomalyId, AnomalyKind, Direction, Moment, OpenStatus, Severity,
    TopicLog,
};
use notifier::{Backends, Notifier, Settings};
use store::{AnomalyChange, PartitionCommit, Store};
use tempfile::TempDir;

/// When the first anomaly is found.
pub(crate) const T0: i64 = 1_700_000_000_000;
/// The secret of webhooks.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Backends in a folder.
pub(crate) struct Platform {
    pub(crate) bus: Bus,
    pub(crate) store: Store,
    folder: TempDir,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            bus: Bus::sqlite(&folder.path().join("events.db")).await.unwrap(),
            store: Store::sqlite(&folder.path().join("store.db"))
                .await
                .unwrap(),
            folder,
        }
    }

    /// A notifier with these settings.
    pub(crate) fn notifier(&self, settings: &Settings) -> Notifier {
        let backends = Backends {
            bus: self.bus.clone(),
            store: self.store.clone(),
        };
        Notifier::new(settings, backends).unwrap()
    }

    /// Settings with the webhook `url`.
    pub(crate) fn webhook(&self, url: &str) -> Settings {
        let file = self.folder.path().join("secret");
        fs::write(&file, SECRET).unwrap();
        Settings {
            webhook_url: Some(url.to_owned()),
            webhook_secret_file: Some(file),
            ..Settings::default()
        }
    }

    /// Settings with the address of Slack in a file.
    pub(crate) fn slack(&self, url: &str) -> Settings {
        let file = self.folder.path().join("slack");
        fs::write(&file, url).unwrap();
        Settings {
            slack_webhook_url_file: Some(file),
            ..Settings::default()
        }
    }

    /// Stores changes of anomalies, as an observer does.
    pub(crate) async fn commit(&self, anomalies: Vec<AnomalyChange>) {
        let log = TopicLog {
            topic: "points".to_owned(),
            id: Some("one".to_owned()),
            is_cut: false,
        };
        let offsets = self.store.stream_offsets(&log).await.unwrap();
        let at = offsets.iter().find(|o| o.partition == 0);
        let expected = at.map_or(0, |o| o.effects);
        let commit = PartitionCommit {
            partition: 0,
            expected,
            effects: expected + 1,
            safe: expected + 1,
            now_ms: 0,
            outage_ms: 0,
            anomalies,
            points: Vec::new(),
            states: Vec::new(),
            ended: Vec::new(),
        };
        let applied = self.store.commit_streams("points@one", &[commit]).await;
        assert_eq!(applied.unwrap(), [0]);
    }
}

/// An open anomaly of the series `series` that is found at [`T0`].
pub(crate) fn anomaly(series: &str, id: u128) -> Anomaly {
    Anomaly {
        anomaly_id: AnomalyId(id),
        series_id: series.parse().unwrap(),
        kind: AnomalyKind::Value,
        status: OpenStatus::Open,
        began: 1,
        start: 1,
        end: 1,
        peak: 1,
        value: Some(22.5),
        expected: Some(10.5),
        lower: None,
        upper: Some(12.1),
        direction: Direction::Above,
        severity: Severity::Medium,
        ratio: 2.9,
        alarms: 1,
        reason: "22.5 is 12 above <the> 10.5 expected".to_owned(),
        detector: None,
        opened_at: Moment(T0),
        closed_at: None,
        incident_id: None,
        held_back: None,
        feedback: None,
        silenced: false,
        labels: [("host".to_owned(), "db1".to_owned())].into(),
    }
}

/// The anomaly is found.
pub(crate) fn opened(anomaly: &Anomaly) -> AnomalyChange {
    AnomalyChange {
        anomaly: anomaly.clone(),
        event: Some(AnomalyEventKind::Opened),
        budget: None,
        group: anomaly.series_id.to_string(),
        context: Vec::new(),
        traceparent: None,
    }
}

/// The anomaly is over, a minute later.
pub(crate) fn closed(anomaly: &Anomaly) -> AnomalyChange {
    let anomaly = Anomaly {
        status: OpenStatus::Closed,
        end: 61,
        closed_at: Some(Moment(T0 + 60_000)),
        ..anomaly.clone()
    };
    AnomalyChange {
        event: Some(AnomalyEventKind::Closed),
        ..opened(&anomaly)
    }
}

/// So many milliseconds after the first anomaly was found.
pub(crate) fn after(ms: i64) -> Moment {
    Moment(T0 + ms)
}
