//! Versions, and who sees them when.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, ensure};
use contract::{AliasName, Point, Revision, Version};
use store::{Precondition, Ready, StoreError, TrainingPoints, VersionedModel};
use tokio::task::JoinSet;

use super::{AN_HOUR, apply, deliveries, fit, model, of, pend, points, series, v, whole};
use crate::backend::{Backend, error_of, serving};

pub(crate) async fn concurrent_fits_of_one_series_get_versions_without_gap_or_repeat(
    backend: &impl Backend,
) -> Result<()> {
    let (hot, cold) = (series("hot"), series("cold"));
    let mut fits = JoinSet::new();
    for _ in 0..3 {
        let store = backend.open().await?;
        for n in 0..20 {
            let (store, hot) = (store.clone(), hot.clone());
            fits.spawn(async move { pend(&store, &hot, &points(n, 3)).await });
        }
    }
    let versions = fits
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let distinct: BTreeSet<u32> = versions.iter().map(|version| version.number()).collect();
    assert_eq!(distinct, (1..=60).collect());
    let store = backend.open().await?;
    let other = pend(&store, &cold, &points(0, 3)).await?;
    assert_eq!(other, v(1));
    Ok(())
}

pub(crate) async fn a_pending_version_is_not_seen(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let (first, second) = (points(1, 3), points(2, 3));
    assert_eq!(serving(&store, &s).await?, None);
    let one = pend(&store, &s, &first).await?;
    apply(&store, &deliveries(0, 0, &[whole(&s, one, &first)])).await?;
    assert_eq!(serving(&store, &s).await?, None);
    assert_eq!(
        store.training_points(&s, None).await?,
        TrainingPoints::NoModel
    );
    assert_eq!(
        store.training_points(&s, Some(&of(1))).await?,
        TrainingPoints::NoModel
    );
    assert_eq!(store.changed_within(AN_HOUR).await?, []);

    assert_eq!(store.mark_ready(&s, one).await?, Revision(1));
    let expected = VersionedModel {
        version: one,
        model: model(&first),
    };
    // Another process sees it too, and not the one that follows.
    let elsewhere = backend.open().await?;
    pend(&store, &s, &second).await?;
    assert_eq!(serving(&elsewhere, &s).await?, Some(expected.clone()));
    let stored = TrainingPoints::Complete(expected, first);
    assert_eq!(elsewhere.training_points(&s, None).await?, stored);
    assert_eq!(
        elsewhere.training_points(&s, Some(&of(2))).await?,
        TrainingPoints::NoModel
    );
    assert_eq!(elsewhere.changed_within(AN_HOUR).await?, [(s, Revision(1))]);
    Ok(())
}

pub(crate) async fn the_newest_is_the_highest_number_not_the_latest_to_be_ready(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    for n in 1..=11 {
        pend(&store, &s, &points(n, 3)).await?;
    }
    // 9 before 11 and 10: neither time nor the spelling of a number decides.
    for number in [9, 11, 10] {
        store.mark_ready(&s, v(number)).await?;
    }
    let newest = serving(&store, &s).await?.map(|newest| newest.version);
    assert_eq!(newest, Some(v(11)));
    Ok(())
}

pub(crate) async fn to_mark_a_version_ready_again_changes_nothing(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    fit(&store, &s, &points(1, 3)).await?;
    fit(&store, &s, &points(2, 3)).await?;
    age_change(backend, "s").await?;
    assert_eq!(store.mark_ready(&s, v(1)).await?, Revision(2));
    assert_eq!(store.changed_within(AN_HOUR).await?, []);
    let never = error_of(store.mark_ready(&s, v(3)).await)?;
    assert!(matches!(never, StoreError::Swept { version, .. } if version == v(3)));
    let unknown = error_of(store.mark_ready(&series("t"), v(1)).await)?;
    assert!(matches!(unknown, StoreError::Swept { .. }));
    Ok(())
}

/// Makes a version two hours older.
async fn age<B: Backend>(backend: &B, series: &str, version: Version) -> Result<()> {
    let (hour, number) = (B::HOUR, version.number());
    let sql = format!(
        "UPDATE models SET created_at = created_at - {hour} - {hour} WHERE series_id = '{series}' AND version = {number}"
    );
    backend.execute(&sql).await
}

/// Has a series change two hours earlier.
async fn age_change<B: Backend>(backend: &B, series: &str) -> Result<()> {
    let hour = B::HOUR;
    let sql = format!(
        "UPDATE series SET changed_at = changed_at - {hour} - {hour} WHERE series_id = '{series}'"
    );
    backend.execute(&sql).await
}

pub(crate) async fn a_number_is_not_given_out_again_after_its_version_was_swept(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    for number in [1, 2] {
        let version = pend(&store, &s, &points(1, 3)).await?;
        assert_eq!(version, v(number));
    }
    assert_eq!(store.sweep_pending(Duration::ZERO).await?, 2);
    let swept = error_of(store.mark_ready(&s, v(2)).await)?;
    assert!(matches!(swept, StoreError::Swept { .. }) && !swept.is_transient());
    assert_eq!(fit(&store, &s, &points(3, 3)).await?.version, v(3));
    Ok(())
}

pub(crate) async fn a_sweep_takes_what_is_old_and_pending_and_its_points(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let points = points(1, 5);
    for number in 1..=4 {
        let version = pend(&store, &s, &points).await?;
        let event = whole(&s, version, &points);
        apply(&store, &deliveries(0, i64::from(number), &[event])).await?;
    }
    // Old and pending; old and ready; young and pending; old and pending.
    store.mark_ready(&s, v(2)).await?;
    for number in [1, 2, 4] {
        age(backend, "s", v(number)).await?;
    }
    assert_eq!(store.sweep_pending(3 * AN_HOUR).await?, 0);
    assert_eq!(store.sweep_pending(AN_HOUR).await?, 2);
    assert_eq!(store.sweep_pending(AN_HOUR).await?, 0);
    let left = "SELECT count(*) FROM training_data WHERE version IN";
    assert_eq!(backend.number(&format!("{left} (1, 4)")).await?, 0);
    assert_ne!(backend.number(&format!("{left} (2)")).await?, 0);
    store.mark_ready(&s, v(3)).await?;
    let complete = store.training_points(&s, Some(&of(3))).await?;
    assert!(matches!(complete, TrainingPoints::Complete(_, stored) if stored == points));
    Ok(())
}

pub(crate) async fn only_series_that_changed_lately_are_told_with_their_revision(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let points = points(1, 3);
    for (id, versions) in [("old", 2), ("young", 3), ("gone", 2)] {
        for _ in 0..versions {
            fit(&store, &series(id), &points).await?;
        }
    }
    for id in ["old", "young", "gone"] {
        age_change(backend, id).await?;
    }
    // A pending version is not a change; a deletion is one.
    pend(&store, &series("old"), &points).await?;
    pend(&store, &series("new"), &points).await?;
    fit(&store, &series("young"), &points).await?;
    let deleted = store
        .delete_series(&series("gone"), &Precondition::Any)
        .await?;
    assert_eq!(deleted.revision, Revision(3));
    let mut changed = store.changed_within(AN_HOUR).await?;
    changed.sort();
    let expected = [
        (series("gone"), Revision(3)),
        (series("young"), Revision(4)),
    ];
    assert_eq!(changed, expected);
    assert_eq!(store.changed_within(Duration::MAX).await?.len(), 3);
    assert_eq!(store.changed_within(Duration::ZERO).await?, []);
    Ok(())
}

pub(crate) async fn ids_that_look_alike_have_nothing_in_common(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let long = "é".repeat(100);
    #[rustfmt::skip]
    let ids = [
        "sensor_1", "sensor_10", "sensor_1_v2", "sensor_1 ", " sensor_1", "SENSOR_1", "sensor%", "sensor_", "sensor__",
        "%", "_", "'", "\"", "''; DROP TABLE models; --", "\\", "$1", "?", "NULL", "1", "01", "1.0",
        "e\u{301}", "é", "ß", "ss", "🌡️", "🌡", "\u{200b}", &long,
    ];
    for (seed, id) in (1..).zip(ids) {
        let (s, points) = (series(id), points(seed, 3));
        let fitted = fit(&store, &s, &points).await?;
        ensure!(fitted.version == v(1), "{id:?} shares numbers");
        let event = whole(&s, v(1), &points);
        ensure!(apply(&store, &deliveries(0, seed, &[event])).await? == 3);
    }
    for (seed, id) in (1..).zip(ids) {
        let stored = store.training_points(&series(id), None).await?;
        let points = points(seed, 3);
        let model = model(&points);
        let version = v(1);
        let expected = TrainingPoints::Complete(VersionedModel { version, model }, points);
        ensure!(stored == expected, "{id:?} has the points of another");
    }
    Ok(())
}

pub(crate) async fn a_model_is_stored_letter_for_letter(backend: &impl Backend) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let extremes = [1e308, -1e308, 5e-324].map(|value| Point {
        timestamp: i64::MIN,
        value,
    });
    let fitted = fit(&store, &s, &extremes).await?;
    let document = backend.text("SELECT model FROM models").await?;
    assert_eq!(document, fitted.model.to_json());
    let sql = "SELECT count(*) FROM models WHERE detector = 'sigma' AND points = 3 AND format =";
    let format = detector::FORMAT;
    assert_eq!(backend.number(&format!("{sql} {format}")).await?, 1);
    Ok(())
}

pub(crate) async fn a_model_that_was_changed_is_refused(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    let (bad, good) = (series("bad"), series("good"));
    fit(&store, &bad, &points(1, 3)).await?;
    let fitted = fit(&store, &good, &points(2, 3)).await?;
    let change = "UPDATE models SET model = replace(model, '\"points\":3', '\"points\":4') WHERE series_id = 'bad'";
    backend.execute(change).await?;
    for error in [
        error_of(serving(&store, &bad).await)?,
        error_of(store.training_points(&bad, None).await)?,
    ] {
        assert!(matches!(&error, StoreError::Corrupt { series, .. } if *series == bad));
        assert!(!error.is_transient());
    }
    assert_eq!(serving(&store, &good).await?, Some(fitted));
    Ok(())
}

pub(crate) async fn a_damaged_model_gives_way_to_the_whole_one_before_it(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    for seed in 1..=4 {
        fit(&store, &s, &points(seed, 3)).await?;
    }
    let whole = store.model(&s, v(2)).await?;
    backend
        .execute("UPDATE models SET model = replace(model, '1', '2') WHERE version > 2")
        .await?;
    let served = store.serving(&s).await?;
    assert_eq!(
        (served.model.clone(), served.revision),
        (whole, Revision(4))
    );
    let plotted = store.training_points(&s, None).await?;
    assert_eq!(plotted, TrainingPoints::Incomplete);
    assert!(store.model(&s, v(4)).await.is_err());
    // A champion that is damaged as well, and nothing before it.
    backend
        .execute("UPDATE models SET model = '' WHERE version <= 2")
        .await?;
    let damaged = error_of(serving(&store, &s).await)?;
    assert!(matches!(damaged, StoreError::Corrupt { version, .. } if version == v(4)));
    Ok(())
}

pub(crate) async fn migrations_may_run_at_once_and_again(backend: &impl Backend) -> Result<()> {
    let tables = [
        "training_data",
        "aliases",
        "models",
        "series",
        "consumer_offsets",
        "receipts",
        "stream_layout",
        "stream_partitions",
        "stream_points",
        "feedback",
        "stream_sessions",
        "anomalies",
        "incidents",
        "outbox",
        "silences",
        "_sqlx_migrations",
    ];
    drop(backend.open().await?);
    for table in tables {
        backend.execute(&format!("DROP TABLE {table}")).await?;
    }
    let mut processes = JoinSet::new();
    let mut stores = Vec::new();
    for _ in 0..4 {
        // Opening SQLite migrates it already; the others find that done.
        stores.push(backend.open().await?);
    }
    for store in stores {
        processes.spawn(async move {
            store.migrate().await?;
            store.migrate().await
        });
    }
    processes
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let store = backend.open().await?;
    let fitted = fit(&store, &series("s"), &points(1, 3)).await?;
    store.migrate().await?;
    assert_eq!(serving(&store, &series("s")).await?, Some(fitted));
    Ok(())
}

pub(crate) async fn a_closed_store_fails_and_says_so(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    store.ping().await?;
    store.close().await;
    let error = error_of(store.ping().await)?;
    assert!(error.is_transient(), "{error:?}");
    error_of(serving(&store, &series("s")).await)?;
    Ok(())
}

pub(crate) async fn a_version_that_becomes_ready_says_which_one_serves(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let ready = async |version, revision, serving| {
        let ready = store.mark_ready_when(&s, version, &Precondition::Any, None);
        let expected = Ready {
            revision: Revision(revision),
            serving: v(serving),
        };
        anyhow::ensure!(ready.await? == expected, "{version} is not at {expected:?}");
        Ok(())
    };
    let one = pend(&store, &s, &points(1, 3)).await?;
    let two = pend(&store, &s, &points(2, 3)).await?;
    let three = pend(&store, &s, &points(3, 3)).await?;
    ready(two, 1, 2).await?;
    // An older one that is late does not serve.
    ready(one, 2, 2).await?;
    let champion = AliasName::champion();
    store
        .set_alias(&s, &champion, &of(1), &Precondition::Any)
        .await?;
    ready(three, 4, 1).await?;
    // To say so again tells of the series as it is now.
    ready(one, 4, 1).await?;
    store
        .remove_alias(&s, &champion, &Precondition::Any)
        .await?;
    ready(one, 5, 3).await
}
