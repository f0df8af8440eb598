//! What is told of anomalies and incidents, by whom, and for how long it is kept.

use anyhow::{Context, Result, ensure};
use contract::{
    Anomaly, AnomalyEvent, AnomalyEventKind, AnomalyKind, IncidentEvent, IncidentEventKind, Moment,
    TestStatus,
};
use store::{AnomalyChange, AnomalyQuery, Notification, Store};

use super::anomalies::{T0, anomaly, commit, ended, incidents, opened};
use crate::backend::Backend;

/// A series that fell silent, and a second later an anomaly that is over: two incidents.
async fn two_incidents(store: &Store) -> Result<()> {
    let missing = Anomaly {
        kind: AnomalyKind::Missing,
        ..anomaly("m", 0)
    };
    let silent = AnomalyChange {
        group: "missing".to_owned(),
        ..opened(&missing)
    };
    let value = anomaly("s", 1);
    commit(store, vec![silent, opened(&value), ended(&value)]).await
}

/// The notifications of a channel that are due `ms` after the first anomaly.
async fn due(store: &Store, channel: &str, ms: i64) -> Result<Vec<Notification>> {
    Ok(store
        .due_notifications(&[channel], Moment(T0 + ms), 100)
        .await?)
}

pub(crate) async fn a_notification_is_tried_until_it_is_told_or_given_up(
    backend: &impl Backend,
) -> Result<()> {
    let store = &backend.open().await?;
    two_incidents(store).await?;
    let told = due(store, "topic", 60_000).await?;
    assert_eq!(told.len(), 3);
    let event: AnomalyEvent = serde_json::from_str(&told[2].payload)?;
    assert_eq!(event.kind, AnomalyEventKind::Closed);
    assert_eq!(
        (event.at, &event.event_id),
        (Moment(T0 + 2_000), &told[2].event_id)
    );
    ensure!(event.anomaly.incident_id.is_some());
    // Leased, so nobody else has them; then told, or tried again.
    ensure!(due(store, "topic", 179_999).await?.is_empty());
    let [one, two, three] = [0, 1, 2].map(|n| &*told[n].event_id);
    let soon = Some(Moment(T0 + 61_000));
    store.notification_sent(one).await?;
    store.notification_failed(two, "no\0", soon).await?;
    store.notification_failed(three, "gone", None).await?;
    let again = due(store, "topic", 61_000).await?;
    assert_eq!(again.len(), 1);
    assert_eq!((&*again[0].event_id, again[0].attempts), (two, 2));
    let again = due(store, "topic", 181_000).await?;
    assert_eq!(again.len(), 1, "a notifier that died is replaced");
    let failed = store.failed_notifications(10, None).await?;
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (&*failed[0].error, &*failed[0].notification.event_id),
        ("gone", three)
    );
    let after = Some(failed[0].cursor);
    ensure!(store.failed_notifications(10, after).await?.is_empty());
    Ok(())
}

pub(crate) async fn people_are_told_on_every_channel_once_all_has_come(
    backend: &impl Backend,
) -> Result<()> {
    let store = &backend.open().await?;
    two_incidents(store).await?;
    // Ten seconds after it began, of silence after thirty.
    for (ms, events) in [
        (10_999, 0),
        (11_000, 2),
        (29_999, 0),
        (30_000, 1),
        (99_000, 0),
    ] {
        let channels = ["webhook", "slack"];
        let now = Moment(T0 + ms);
        let addressed = store.address_incident_events(&channels, now).await?;
        assert_eq!(addressed, events, "{ms}");
    }
    let told = due(store, "webhook", 60_000).await?;
    let events = told.iter().map(|n| serde_json::from_str(&n.payload));
    let events: Vec<IncidentEvent> = events.collect::<Result<_, _>>()?;
    let mut kinds: Vec<&str> = Vec::new();
    for event in &events {
        kinds.push(match event.kind {
            IncidentEventKind::Opened => "opened",
            IncidentEventKind::Escalated => "escalated",
            IncidentEventKind::Resolved => "resolved",
            IncidentEventKind::Test => "test",
        });
    }
    assert_eq!(kinds, ["opened", "opened", "resolved"]);
    ensure!(told.iter().all(|n| n.event_id.ends_with("-webhook")));
    let opened = store.incident(events[1].incident_id).await?;
    assert_eq!(opened.context("none")?.anomalies.len(), 1);
    assert_eq!(due(store, "slack", 60_000).await?.len(), 3);
    Ok(())
}

pub(crate) async fn a_test_is_told_on_every_channel_and_its_outcome_is_known(
    backend: &impl Backend,
) -> Result<()> {
    let store = &backend.open().await?;
    let test = AnomalyEvent::test("test-1".to_owned(), 1, Moment(T0));
    // One whose id begins alike.
    let other = AnomalyEvent::test("test-10".to_owned(), 2, Moment(T0));
    for event in [&test, &test, &other] {
        store.put_alert_test(event).await?;
    }
    assert_eq!(store.alert_test("test-1").await?, None);
    let channels = ["webhook", "topic"];
    let now = Moment(T0);
    assert_eq!(store.address_incident_events(&channels, now).await?, 0);
    assert_eq!(store.address_alert_tests(&channels, now).await?, 2);
    assert_eq!(store.address_alert_tests(&channels, now).await?, 0);
    let outcome = async || -> Result<Vec<(String, TestStatus, Option<String>)>> {
        let outcome = store.alert_test("test-1").await?.context("not taken")?;
        let outcome = outcome.into_iter();
        Ok(outcome.map(|c| (c.channel, c.status, c.error)).collect())
    };
    let pending = |channel: &str| (channel.to_owned(), TestStatus::Pending, None);
    assert_eq!(outcome().await?, [pending("topic"), pending("webhook")]);
    let told = due(store, "webhook", 0).await?;
    assert_eq!(told.len(), 2);
    assert_eq!(
        serde_json::from_str::<AnomalyEvent>(&told[0].payload)?,
        test
    );
    store.notification_sent("test-1-topic").await?;
    let id = &told[0].event_id;
    store.notification_failed(id, "no", Some(now)).await?;
    assert_eq!(outcome().await?[1], pending("webhook"));
    store.notification_failed(id, "gone", None).await?;
    let failed = (
        "webhook".to_owned(),
        TestStatus::Failed,
        Some("gone".to_owned()),
    );
    let sent = ("topic".to_owned(), TestStatus::Sent, None);
    assert_eq!(outcome().await?, [sent, failed]);
    Ok(())
}

pub(crate) async fn notifiers_share_what_is_due(backend: &impl Backend) -> Result<()> {
    let (one, two) = (backend.open().await?, backend.open().await?);
    let all: Vec<_> = (0..200).map(|n| opened(&anomaly("s", n))).collect();
    commit(&one, all).await?;
    let take = async |store: Store| -> Result<Vec<String>> {
        let mut taken = Vec::new();
        loop {
            let due = store
                .due_notifications(&["topic"], Moment(T0 * 2), 7)
                .await?;
            if due.is_empty() {
                return Ok(taken);
            }
            taken.extend(due.into_iter().map(|n| n.event_id));
        }
    };
    let (a, b) = tokio::join!(take(one), take(two));
    let mut taken = [a?, b?].concat();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 200);
    Ok(())
}

pub(crate) async fn old_anomalies_are_forgotten_and_open_ones_are_not(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let (one, two) = (anomaly("a", 0), anomaly("b", 1));
    let alone = |change: AnomalyChange| AnomalyChange {
        group: change.anomaly.series_id.to_string(),
        ..change
    };
    let changes = [opened(&one), opened(&two), ended(&one)].map(alone);
    commit(&store, changes.to_vec()).await?;
    store.address_incident_events(&[], Moment(T0 * 2)).await?;
    assert_eq!(store.forget_old_anomalies(Moment(T0)).await?, 0);
    assert_eq!(store.forget_old_anomalies(Moment(T0 * 2)).await?, 1);
    let left = store
        .anomalies(&AnomalyQuery {
            limit: 9,
            ..AnomalyQuery::default()
        })
        .await?;
    assert_eq!(left.anomalies.len(), 1);
    assert_eq!(left.anomalies[0].series_id, two.series_id);
    assert_eq!(incidents(&store).await?.len(), 1);
    // What is still to be told is kept.
    assert_eq!(
        store
            .due_notifications(&["topic"], Moment(T0 * 2), 9)
            .await?
            .len(),
        3
    );
    Ok(())
}
