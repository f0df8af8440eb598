//! Anomalies, their incidents and what is told of them.

use anyhow::{Context, Result, ensure};
use contract::{
    Anomaly, AnomalyEventKind, AnomalyId, AnomalyKind, Direction, Incident, Moment, OpenStatus,
    Point, Severity,
};
use store::{AnomalyChange, EndedStream, PartitionCommit, Store};

use super::{
    series,
    streams::{LOG, log, step},
};
use crate::backend::{Backend, error_of};

pub(super) const T0: i64 = 1_700_000_000_000;

/// An open anomaly of the series `id`, found `n` seconds after the first.
pub(super) fn anomaly(id: &str, n: u32) -> Anomaly {
    Anomaly {
        anomaly_id: AnomalyId(u128::from(n) + 1),
        series_id: series(id),
        kind: AnomalyKind::Value,
        status: OpenStatus::Open,
        began: -1,
        start: i64::from(n),
        end: i64::from(n),
        peak: i64::from(n),
        value: Some(0.1 + f64::from(n)),
        expected: Some(-0.0),
        lower: None,
        upper: Some(1e300),
        direction: Direction::Above,
        severity: Severity::Low,
        ratio: 1.0 + f64::from(n) / 3.0,
        alarms: 1,
        reason: "it's \"far\" above".to_owned(),
        detector: None,
        opened_at: Moment(T0 + i64::from(n) * 1_000),
        closed_at: None,
        incident_id: None,
        held_back: None,
        feedback: None,
        silenced: false,
        labels: [("host".to_owned(), format!("h{}", n % 3))].into(),
    }
}

/// The anomaly, closed a second after it was found.
fn closed(anomaly: &Anomaly) -> Anomaly {
    Anomaly {
        status: OpenStatus::Closed,
        end: anomaly.end + 1,
        closed_at: Some(Moment(anomaly.opened_at.0 + 1_000)),
        ..anomaly.clone()
    }
}

/// The anomaly after one more alarm.
fn worse(anomaly: &Anomaly, severity: Severity) -> Anomaly {
    Anomaly {
        alarms: anomaly.alarms + 1,
        end: anomaly.end + 1,
        severity,
        ..anomaly.clone()
    }
}

pub(super) fn change(anomaly: &Anomaly, event: Option<AnomalyEventKind>) -> AnomalyChange {
    AnomalyChange {
        anomaly: anomaly.clone(),
        event,
        group: "g".to_owned(),
        budget: None,
        context: vec![Point {
            timestamp: i64::MIN,
            value: -0.0,
        }],
        traceparent: None,
    }
}

pub(super) fn opened(anomaly: &Anomaly) -> AnomalyChange {
    change(anomaly, Some(AnomalyEventKind::Opened))
}

pub(super) fn ended(anomaly: &Anomaly) -> AnomalyChange {
    change(&closed(anomaly), Some(AnomalyEventKind::Closed))
}

/// Commits changes as the next record of a partition of their own.
pub(super) async fn commit(store: &Store, changes: Vec<AnomalyChange>) -> Result<()> {
    let offsets = store.stream_offsets(&log(Some("one"))).await?;
    let at = offsets.iter().find(|o| o.partition == 0);
    let at = at.map_or(0, |o| o.effects);
    let commit = PartitionCommit {
        anomalies: changes,
        ..step(0, at, at + 1)
    };
    let applied = store.commit_streams(LOG, &[commit]).await?;
    ensure!(applied == [0], "{applied:?}");
    Ok(())
}

/// Finds an anomaly, and forgets it with its series.
pub(crate) async fn find_and_forget(store: &Store) -> Result<()> {
    commit(store, vec![opened(&anomaly("s", 0))]).await?;
    let forget = PartitionCommit {
        ended: vec![forgotten("s", 2)],
        ..step(0, 1, 2)
    };
    ensure!(store.commit_streams(LOG, &[forget]).await? == [0]);
    Ok(())
}

/// The end of a series whose anomalies go with it.
fn forgotten(id: &str, next_offset: i64) -> EndedStream {
    EndedStream {
        series_id: series(id),
        next_offset,
        run: 1,
        forget: true,
    }
}

/// All incidents, the newest first.
pub(super) async fn incidents(store: &Store) -> Result<Vec<Incident>> {
    Ok(store.incidents(None, 1_000, None, None).await?.incidents)
}

/// The ids of the events in the outbox, in order of writing.
async fn outbox(backend: &impl Backend) -> Result<String> {
    let all = "SELECT COALESCE(string_agg(kind, ' '), '') FROM (
        SELECT channel || ':' || substr(event_id, 34) AS kind FROM outbox ORDER BY seq) events";
    backend.text(all).await
}

pub(crate) async fn an_anomaly_comes_back_as_it_was_found(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    let found = anomaly("s", 1);
    commit(&store, vec![opened(&found)]).await?;
    let detail = store.anomaly(found.anomaly_id).await?.context("none")?;
    let incident = detail.anomaly.incident_id.context("no incident")?;
    let joined = Anomaly {
        incident_id: Some(incident),
        ..found.clone()
    };
    assert_eq!(
        serde_json::to_string(&detail.anomaly)?,
        serde_json::to_string(&joined)?
    );
    assert_eq!(detail.context[0].value.to_bits(), (-0.0_f64).to_bits());
    assert_eq!(
        (detail.context.len(), detail.context[0].timestamp),
        (1, i64::MIN)
    );
    // Later states take its place; the points before it stay.
    let over = AnomalyChange {
        context: Vec::new(),
        ..ended(&found)
    };
    commit(&store, vec![over]).await?;
    let detail = store.anomaly(found.anomaly_id).await?.context("none")?;
    assert_eq!(detail.context.len(), 1);
    assert_eq!(detail.anomaly.status, OpenStatus::Closed);
    // An earlier one, and one that nobody is told of, change nothing.
    commit(&store, vec![opened(&found), change(&found, None)]).await?;
    assert_eq!(store.anomaly(found.anomaly_id).await?, Some(detail));
    assert_eq!(store.anomaly(AnomalyId(99)).await?, None);
    Ok(())
}

pub(crate) async fn an_incident_counts_its_anomalies_whatever_comes_again(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let all: Vec<Anomaly> = (0..5).map(|n| anomaly(&format!("s{n}"), n)).collect();
    let begin: Vec<_> = all.iter().map(opened).collect();
    let end: Vec<_> = all[..4].iter().map(ended).collect();
    for _ in 0..2 {
        // From its beginning again, as after the offsets were forgotten.
        store.forget_stream_offsets().await?;
        commit(&store, begin.clone()).await?;
        commit(&store, end.clone()).await?;
        let found = incidents(&store).await?;
        let [incident] = &found[..] else {
            anyhow::bail!("{found:?}");
        };
        assert_eq!((incident.count, incident.open), (5, 1));
        assert_eq!((&*incident.group, incident.status), ("g", OpenStatus::Open));
        assert_eq!(incident.opened_at, Moment(T0));
        assert_eq!(incident.last_at, Moment(T0 + 4_000));
    }
    // The same commit again: its offset has moved.
    let again = PartitionCommit {
        anomalies: end,
        ..step(0, 1, 2)
    };
    ensure!(store.commit_streams(LOG, &[again]).await?.is_empty());
    commit(&store, vec![ended(&all[4])]).await?;
    let found = incidents(&store).await?;
    assert_eq!((found[0].count, found[0].open), (5, 0));
    assert_eq!(found[0].closed_at, Some(Moment(T0 + 5_000)));
    assert_eq!(
        outbox(backend).await?,
        "incident:opened-1 topic:opened-1-0 topic:opened-1-1 topic:opened-1-2 topic:opened-1-3 topic:opened-1-4 \
         topic:closed-1-1 topic:closed-1-2 topic:closed-1-3 topic:closed-1-4 incident:resolved-1 topic:closed-1-5"
    );
    // What comes later is another incident.
    commit(&store, vec![opened(&anomaly("s0", 9))]).await?;
    let found = incidents(&store).await?;
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].count, found[0].status), (1, OpenStatus::Open));
    let detail = store
        .incident(found[1].incident_id)
        .await?
        .context("none")?;
    assert_eq!(detail.anomalies.len(), 5);
    assert_eq!(detail.anomalies[0].ratio, all[4].ratio);
    Ok(())
}

pub(crate) async fn an_incident_that_becomes_worse_says_so_once(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let first = anomaly("s", 0);
    let high = worse(&first, Severity::High);
    let still = worse(&high, Severity::Medium);
    let escalated = |a: &Anomaly| change(a, Some(AnomalyEventKind::Escalated));
    commit(&store, vec![opened(&first)]).await?;
    commit(&store, vec![escalated(&high), escalated(&still)]).await?;
    assert_eq!(incidents(&store).await?[0].severity, Severity::High);
    // It goes on after it was closed: the incident is open again.
    commit(&store, vec![ended(&still)]).await?;
    assert_eq!(incidents(&store).await?[0].status, OpenStatus::Closed);
    let on = worse(&worse(&still, Severity::Low), Severity::Low);
    commit(&store, vec![escalated(&on)]).await?;
    let found = incidents(&store).await?;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].count, found[0].open), (1, 1));
    assert_eq!(
        outbox(backend).await?,
        "incident:opened-1 topic:opened-1-0 incident:escalated-1-high topic:escalated-2-1 topic:escalated-3-2 \
         incident:resolved-1 topic:closed-3-3 incident:opened-2 topic:escalated-5-4"
    );
    Ok(())
}

pub(crate) async fn who_is_silenced_or_has_moved_opens_no_incident(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let silenced = Anomaly {
        silenced: true,
        ..anomaly("s", 0)
    };
    let level = Anomaly {
        kind: AnomalyKind::Level,
        ..anomaly("s", 1)
    };
    let quiet = change(&anomaly("s", 2), None);
    commit(&store, vec![opened(&silenced), opened(&level), quiet]).await?;
    commit(&store, vec![ended(&silenced)]).await?;
    assert_eq!(incidents(&store).await?, []);
    assert_eq!(
        outbox(backend).await?,
        "topic:opened-1-0 topic:opened-1-1 topic:closed-1-1"
    );
    let shown = store.open_anomalies_for_alerts(Moment(0)).await?;
    let shown: Vec<i64> = shown.iter().map(|anomaly| anomaly.start).collect();
    assert_eq!(shown, [2]);
    Ok(())
}

pub(crate) async fn owners_of_one_group_at_once_open_one_incident(
    backend: &impl Backend,
) -> Result<()> {
    let (one, two) = (backend.open().await?, backend.open().await?);
    let commits = |partition: u32| -> Vec<PartitionCommit> {
        (0..20)
            .map(|n| PartitionCommit {
                anomalies: vec![opened(&anomaly("s", partition * 100 + n))],
                ..step(partition as i32, i64::from(n), i64::from(n) + 1)
            })
            .collect()
    };
    let apply = async |store: &Store, commits: Vec<PartitionCommit>| -> Result<()> {
        for commit in commits {
            let applied = store.commit_streams(LOG, &[commit]).await?;
            ensure!(applied.len() == 1);
        }
        Ok(())
    };
    let (a, b) = tokio::join!(apply(&one, commits(0)), apply(&two, commits(1)));
    a?;
    b?;
    let found = incidents(&one).await?;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].count, found[0].open), (40, 40));
    Ok(())
}

pub(crate) async fn a_series_that_is_forgotten_takes_its_anomalies_along(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let (gone, kept) = (anomaly("gone", 0), anomaly("kept", 1));
    commit(&store, vec![opened(&gone), opened(&kept)]).await?;
    let forget = PartitionCommit {
        anomalies: vec![ended(&gone)],
        ended: vec![forgotten("gone", 2)],
        ..step(0, 1, 2)
    };
    assert_eq!(store.commit_streams(LOG, &[forget]).await?, [0]);
    assert_eq!(store.anomaly(gone.anomaly_id).await?, None);
    let found = incidents(&store).await?;
    assert_eq!((found[0].count, found[0].open), (1, 1));
    ensure!(store.anomaly(kept.anomaly_id).await?.is_some());
    Ok(())
}

pub(crate) async fn effects_are_stored_with_their_offset_or_not_at_all<B: Backend>(
    backend: &B,
) -> Result<()> {
    let store = backend.open().await?;
    backend.execute(B::STOP_EVENTS).await?;
    let found = anomaly("s", 0);
    error_of(commit(&store, vec![opened(&found)]).await)?;
    backend.execute(B::LET_EVENTS_GO).await?;
    assert_eq!(store.anomaly(found.anomaly_id).await?, None);
    assert_eq!(incidents(&store).await?, []);
    ensure!(store.stream_offsets(&log(Some("one"))).await?.is_empty());
    commit(&store, vec![opened(&found)]).await?;
    Ok(())
}
