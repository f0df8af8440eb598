//! All series at a glance.

use anyhow::{Context, Result};
use contract::{Anomaly, Labels, LearnedPoint, Moment, SeriesId, Severity, StreamState as Phase};
use store::{PartitionCommit, PointBlock, SeriesFacts, Store, StreamState};

use super::{
    alias,
    anomalies::{T0, anomaly, commit, ended, opened},
    fit, of, points, series,
    streams::{LOG, end, state, step},
};
use crate::backend::Backend;

fn of_severity(id: &str, n: u32, severity: Severity) -> Anomaly {
    Anomaly {
        severity,
        ..anomaly(id, n)
    }
}

/// Commits states as the first record of partition 1.
async fn commit_states(store: &Store, states: Vec<StreamState>) -> Result<()> {
    let commit = PartitionCommit {
        states,
        ..step(1, 0, 1)
    };
    assert_eq!(store.commit_streams(LOG, &[commit]).await?, [1]);
    Ok(())
}

pub(crate) async fn a_series_is_hot_by_its_worst_and_its_latest_anomaly(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let labels = [("host".to_owned(), "h1".to_owned())].into();
    let mut a = state("a", 1);
    a.labels = labels;
    commit_states(&store, vec![a.clone()]).await?;
    let silenced = Anomaly {
        silenced: true,
        ..of_severity("quiet", 9, Severity::Critical)
    };
    let level = Anomaly {
        kind: contract::AnomalyKind::Level,
        ..of_severity("moved", 8, Severity::High)
    };
    commit(
        &store,
        vec![
            ended(&of_severity("a", 1, Severity::Critical)),
            opened(&of_severity("a", 2, Severity::Low)),
            opened(&of_severity("a", 3, Severity::Medium)),
            ended(&of_severity("b", 4, Severity::High)),
            ended(&of_severity("old", 0, Severity::High)),
            opened(&silenced),
            opened(&level),
        ],
    )
    .await?;

    let mut hot = store.hot_series(Moment(T0 + 500)).await?;
    hot.sort_by(|one, other| one.series_id.cmp(&other.series_id));
    let ids: Vec<&str> = hot.iter().map(|hot| hot.series_id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    let [first, second] = &hot[..] else {
        anyhow::bail!("{hot:?}");
    };
    assert_eq!(first.labels, a.labels);
    assert_eq!(
        (first.open, first.worst),
        (Some(Severity::Medium), Severity::Critical)
    );
    assert_eq!(first.open_since, Some(Moment(T0 + 2_000)));
    assert_eq!(first.last_alarm, Moment(T0 + 3_000));
    assert_eq!(first.closed_at, Some(Moment(T0 + 2_000)));
    assert_eq!((first.alarms, second.alarms), (3, 1));
    assert_eq!((second.open, second.worst), (None, Severity::High));
    // Those that are open count, however long ago they began.
    let open = store.hot_series(Moment(T0 + 60_000)).await?;
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0].series_id, open[0].alarms), (&series("a"), 0));

    let within = store.series_with_anomalies(Moment(T0 + 4_000), Moment(T0 + 9_001));
    assert_eq!(within.await?.into_iter().collect::<Vec<_>>(), [series("b")]);
    let ids = [series("a"), series("quiet")];
    let recent = store.recent_anomalies(&ids, Moment(T0 + 1_500)).await?;
    let recent: Vec<i64> = recent.iter().map(|anomaly| anomaly.peak).collect();
    assert_eq!(recent, [3, 2]);
    Ok(())
}

pub(crate) async fn series_with_models_streams_or_both_are_known_alike(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let (fitted, both) = (series("fitted"), series("both"));
    fit(&store, &fitted, &points(1, 10)).await?;
    fit(&store, &fitted, &points(2, 20)).await?;
    store
        .set_alias(
            &fitted,
            &alias("champion"),
            &of(1),
            &store::Precondition::Any,
        )
        .await?;
    fit(&store, &both, &points(3, 10)).await?;
    let mut ready = state("both", 1);
    ready.phase = Phase::Ready;
    ready.detector = Some(contract::DetectorName::Ewma);
    ready.labels = [("a".to_owned(), "b \"c\"".to_owned())].into();
    commit_states(
        &store,
        vec![ready.clone(), state("streamed", 1), state("gone", 1)],
    )
    .await?;
    let commit = PartitionCommit {
        ended: vec![end("gone", 2, false)],
        safe: 1,
        ..step(1, 1, 2)
    };
    assert_eq!(store.commit_streams(LOG, &[commit]).await?, [1]);

    let ids = ["fitted", "both", "streamed", "gone", "none"].map(series);
    let facts = store.series_facts(&ids).await?;
    assert_eq!(facts.len(), 3, "{facts:?}");
    let of_fitted = facts.get(&fitted).context("facts")?;
    assert_eq!(of_fitted.serving, Some(super::v(1)));
    assert_eq!(of_fitted.detector, Some(contract::DetectorName::Sigma));
    assert_eq!((of_fitted.stream, of_fitted.trained_until), (None, Some(0)));
    let of_both = facts.get(&both).context("facts")?;
    assert_eq!(
        (of_both.stream, &of_both.labels),
        (Some(Phase::Ready), &ready.labels)
    );
    assert_eq!(of_both.stream_detector, ready.detector);
    assert_eq!(
        (of_both.last_timestamp, of_both.serving),
        (Some(-1), Some(super::v(1)))
    );
    let streamed = SeriesFacts {
        stream: Some(Phase::Learning),
        last_timestamp: Some(-1),
        ..SeriesFacts::default()
    };
    assert_eq!(facts.get(&series("streamed")), Some(&streamed));

    counted_and_listed(&store, &both, &ready.labels).await
}

/// The three series `both`, which has these labels, `fitted` and `streamed`.
async fn counted_and_listed(store: &Store, both: &SeriesId, labels: &Labels) -> Result<()> {
    assert_eq!(store.series_count(None).await?, 3);
    let prefixes = ["b".to_owned(), "s".to_owned()];
    assert_eq!(store.series_count(Some(&prefixes)).await?, 2);
    let listed = store.labelled_series("", Some(both), 10).await?;
    let listed: Vec<&str> = listed.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(listed, ["fitted", "streamed"]);
    let first = store.labelled_series("", None, 1).await?;
    assert_eq!(first, [(both.clone(), labels.clone())]);
    Ok(())
}

fn block(id: &str, first: i64, n: i64) -> PointBlock {
    let point = |timestamp: i64| LearnedPoint {
        timestamp,
        value: timestamp as f64 / 3.0,
        expected: Some(0.5),
        lower: None,
        upper: None,
        anomaly: false,
        alarm: false,
    };
    PointBlock {
        series_id: series(id),
        first,
        at: Moment(first),
        points: (first..first + n).map(point).collect(),
    }
}

pub(crate) async fn a_sparkline_is_of_all_points_or_of_some_of_many(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let many = (0..300).map(|n| block("many", 10 * n, 3));
    let few = (0..3).map(|n| block("few", 10 * n, 3));
    let commit = PartitionCommit {
        points: many.chain(few).collect(),
        ..step(0, 0, 1)
    };
    store.commit_streams(LOG, &[commit]).await?;
    let asked = [
        (series("many"), 1_000),
        (series("few"), 5),
        (series("none"), 0),
    ];
    let found = store.spark_points(&asked).await?;
    assert_eq!(found.len(), 2);
    let timestamps = |id: &str| -> Vec<i64> {
        let found = found.get(&series(id)).into_iter().flatten();
        found.map(|point| point.timestamp).collect()
    };
    assert_eq!(timestamps("few"), [10, 11, 12, 20, 21, 22]);
    // Of 200 blocks every second one, and the last one whole.
    let many = timestamps("many");
    assert_eq!(many.len(), 99 + 3);
    assert!(
        many.is_sorted() && many.starts_with(&[1_010, 1_030]),
        "{many:?}"
    );
    assert!(many.ends_with(&[2_970, 2_990, 2_991, 2_992]), "{many:?}");
    Ok(())
}

pub(crate) async fn anomalies_are_counted_by_time_and_severity(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let found = (0..10_u32).map(|n| match n % 2 {
        0 => opened(&of_severity("a", n, Severity::Low)),
        _ => ended(&of_severity("b", n, Severity::Critical)),
    });
    commit(&store, found.collect()).await?;
    let count = async |label: Option<&(String, String)>, prefixes: Option<&[String]>| {
        let from = Moment(T0 + 1_000);
        let counted = store.alarm_histogram(from, 4_000, 2, label, prefixes);
        let mut counted = counted.await?;
        counted.sort();
        anyhow::Ok(counted)
    };
    use Severity::{Critical, Low};
    let all = [(0, Low, 2), (0, Critical, 2), (1, Low, 2), (1, Critical, 2)];
    assert_eq!(count(None, None).await?, all);
    let only_b = ["b".to_owned()];
    let of_b = [(0, Critical, 2), (1, Critical, 2)];
    assert_eq!(count(None, Some(&only_b)).await?, of_b);
    // Those at 1, 4 and 7 seconds.
    let label = ("host".to_owned(), "h1".to_owned());
    let labelled = [(0, Low, 1), (0, Critical, 1), (1, Critical, 1)];
    assert_eq!(count(Some(&label), None).await?, labelled);
    Ok(())
}
