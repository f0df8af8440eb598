//! What people say of anomalies, and what follows from it.

use anyhow::{Context, Result};
use contract::{
    Anomaly, AnomalyEventKind, AnomalyId, Budget, BudgetPeriod, Feedback, FeedbackVerdict,
    HeldBack, Moment, Severity,
};
use store::{AnomalyChange, Store};

use super::{
    anomalies::{T0, anomaly, change, commit, ended, opened},
    series,
};
use crate::backend::Backend;

const DAY_MS: i64 = 86_400_000;

fn said(verdict: FeedbackVerdict, at: i64) -> Feedback {
    Feedback {
        verdict,
        comment: Some("so \"it\" is".to_owned()),
        at: Moment(at),
    }
}

/// An anomaly of the series `s` with this ratio, found `days` after the first.
fn found(n: u32, ratio: f64, days: i64) -> Anomaly {
    Anomaly {
        ratio,
        opened_at: Moment(T0 + days * DAY_MS),
        ..anomaly("s", n)
    }
}

/// Why people were not told of the anomaly with this number, and whether they were.
async fn told(store: &Store, n: u32) -> Result<(Option<HeldBack>, bool)> {
    let id = AnomalyId(u128::from(n) + 1);
    let found = store.anomaly(id).await?.context("an anomaly")?.anomaly;
    Ok((found.held_back, found.incident_id.is_some()))
}

pub(crate) async fn what_was_said_is_shown_and_can_be_taken_back(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    commit(&store, vec![opened(&anomaly("s", 0))]).await?;
    let (id, none) = (AnomalyId(1), AnomalyId(99));
    let first = said(FeedbackVerdict::Dismissed, T0);
    assert_eq!(store.put_feedback(none, &first).await?, None);
    for feedback in [first, said(FeedbackVerdict::Confirmed, T0 + 1)] {
        let anomaly = store.put_feedback(id, &feedback).await?;
        assert_eq!(
            anomaly.and_then(|anomaly| anomaly.feedback),
            Some(feedback.clone())
        );
        let shown = store.anomaly(id).await?.context("an anomaly")?.anomaly;
        assert_eq!(shown.feedback, Some(feedback.clone()));
        let listed = store.anomalies(&store::AnomalyQuery::default()).await?;
        assert_eq!(listed.anomalies[0].feedback, Some(feedback));
    }
    // It ends later: so does what the next fit leaves out.
    assert_eq!(store.confirmed_spans(&series("s")).await?, [(-1, 0)]);
    commit(&store, vec![ended(&anomaly("s", 0))]).await?;
    assert_eq!(store.confirmed_spans(&series("s")).await?, [(-1, 1)]);
    assert!(store.confirmed_spans(&series("t")).await?.is_empty());
    let kept = store.anomaly(id).await?.context("an anomaly")?.anomaly;
    assert!(kept.feedback.is_some());
    assert!(store.delete_feedback(id).await? && !store.delete_feedback(id).await?);
    assert_eq!(
        store
            .anomaly(id)
            .await?
            .context("an anomaly")?
            .anomaly
            .feedback,
        None
    );
    assert!(store.confirmed_spans(&series("s")).await?.is_empty());
    Ok(())
}

pub(crate) async fn only_stronger_ones_are_told_after_a_dismissal(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    commit(
        &store,
        vec![opened(&found(0, 1.5, 0)), ended(&found(0, 1.5, 0))],
    )
    .await?;
    store
        .put_feedback(AnomalyId(1), &said(FeedbackVerdict::Dismissed, T0))
        .await?;
    let other = Anomaly {
        series_id: series("t"),
        ..found(5, 1.5, 1)
    };
    commit(
        &store,
        vec![
            opened(&found(1, 1.5, 1)),
            opened(&found(2, 1.6, 1)),
            opened(&found(3, 1.2, 30)),
            opened(&other),
        ],
    )
    .await?;
    assert_eq!(told(&store, 1).await?, (Some(HeldBack::Dismissed), false));
    for n in [2, 3, 5] {
        assert_eq!(told(&store, n).await?, (None, true), "{n}");
    }
    // It grows: then people are told after all, and stay so.
    let grown = Anomaly {
        ratio: 1.7,
        alarms: 2,
        ..found(1, 1.5, 1)
    };
    commit(
        &store,
        vec![change(&grown, Some(AnomalyEventKind::Escalated))],
    )
    .await?;
    assert_eq!(told(&store, 1).await?, (None, true));
    // Programs for people are told of neither the dismissed nor the held back.
    commit(&store, vec![opened(&found(7, 1.1, 2))]).await?;
    store
        .put_feedback(AnomalyId(6), &said(FeedbackVerdict::Dismissed, T0))
        .await?;
    let open = store
        .open_anomalies_for_alerts(Moment(T0 + 99 * DAY_MS))
        .await?;
    let open: Vec<u128> = open
        .iter()
        .map(|anomaly| anomaly.anomaly_id.0 - 1)
        .collect();
    assert_eq!(open, [1, 2, 3]);
    Ok(())
}

pub(crate) async fn a_dismissal_of_something_strong_makes_no_series_mute(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    commit(&store, vec![opened(&found(20, 50.0, 40))]).await?;
    let at = T0 + 40 * DAY_MS;
    store
        .put_feedback(AnomalyId(21), &said(FeedbackVerdict::Dismissed, at))
        .await?;
    commit(
        &store,
        vec![opened(&found(21, 2.0, 41)), opened(&found(22, 2.1, 41))],
    )
    .await?;
    assert_eq!(told(&store, 21).await?, (Some(HeldBack::Dismissed), false));
    assert_eq!(told(&store, 22).await?, (None, true));
    store.delete_feedback(AnomalyId(21)).await?;
    commit(&store, vec![opened(&found(23, 1.0, 42))]).await?;
    assert_eq!(told(&store, 23).await?, (None, true));
    Ok(())
}

pub(crate) async fn no_more_are_told_than_the_budget_has_unless_they_are_worse(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let budget = Some(Budget {
        alarms: 2,
        per: BudgetPeriod::Week,
    });
    let opens = |n: u32, severity: Severity, days: i64| AnomalyChange {
        budget,
        ..opened(&Anomaly {
            severity,
            ..found(n, 1.5, days)
        })
    };
    use Severity::{High, Low, Medium};
    // In one commit, and in others.
    commit(
        &store,
        vec![opens(0, Low, 0), opens(1, Medium, 1), opens(2, Medium, 2)],
    )
    .await?;
    commit(&store, vec![opens(3, High, 3), opens(4, Low, 6)]).await?;
    commit(&store, vec![opens(5, Low, 9)]).await?;
    commit(&store, vec![opens(6, Low, 11)]).await?;
    for (n, held_back) in [(0, false), (1, false), (2, true), (3, false), (4, true)] {
        let why = held_back.then_some(HeldBack::Budget);
        assert_eq!(told(&store, n).await?, (why, !held_back), "{n}");
    }
    // Those of a week ago do not count any more.
    assert_eq!(told(&store, 5).await?, (None, true));
    assert_eq!(told(&store, 6).await?, (None, true));
    store
        .put_feedback(AnomalyId(2), &said(FeedbackVerdict::Dismissed, T0))
        .await?;
    let now = Moment(T0 + 12 * DAY_MS);
    let figures = store.false_alarms(&series("s"), budget, now).await?;
    assert_eq!(
        (figures.asked, figures.told, figures.dismissed),
        (budget, 5, 1)
    );
    assert_eq!((figures.over_budget, figures.held_back), (2, 0));
    assert_eq!((figures.per_week, figures.notify_above), (2.5, Some(1.5)));
    assert_eq!(figures.since, Moment(now.0 - 14 * DAY_MS));
    Ok(())
}

pub(crate) async fn feedback_goes_with_its_series(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    commit(&store, vec![opened(&anomaly("s", 0))]).await?;
    store
        .put_feedback(AnomalyId(1), &said(FeedbackVerdict::Confirmed, T0))
        .await?;
    let forget = store::PartitionCommit {
        ended: vec![super::streams::end("s", 2, true)],
        ..super::streams::step(0, 1, 2)
    };
    assert_eq!(
        store.commit_streams(super::streams::LOG, &[forget]).await?,
        [0]
    );
    assert!(store.confirmed_spans(&series("s")).await?.is_empty());
    Ok(())
}
