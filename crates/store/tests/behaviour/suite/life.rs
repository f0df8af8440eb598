//! Everything at once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use contract::{AliasName, Revision, SeriesId, Version, VersionRef};
use store::{Precondition, RegistryError, Store};
use tokio::{sync::Mutex, task::JoinSet};

use super::{alias, apply, deliveries, fit, pend, points, series, whole};
use crate::backend::Backend;

const ANY: &Precondition = &Precondition::Any;

/// The outcome of changes, as their callers were told.
#[derive(Default)]
struct Told {
    versions: Vec<Version>,
    revisions: Vec<Revision>,
}

/// Fits, and delivers the points before or after the model is ready.
async fn fit_often(
    store: Store,
    s: SeriesId,
    partition: i32,
    told: Arc<Mutex<Told>>,
) -> Result<()> {
    for n in 0..25 {
        let points = points(n, 4);
        let version = pend(&store, &s, &points).await?;
        told.lock().await.versions.push(version);
        let event = [whole(&s, version, &points)];
        let delivery = deliveries(partition, n, &event);
        let (ready, applied) =
            tokio::join!(store.mark_ready(&s, version), apply(&store, &delivery));
        applied?;
        told.lock().await.revisions.push(ready?);
    }
    Ok(())
}

/// Moves aliases, rolls back, deletes and prunes, by chance. What is refused is refused; nothing
/// fails.
async fn change_often(store: Store, s: SeriesId, seed: u64, told: Arc<Mutex<Told>>) -> Result<()> {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..60 {
        let newest = told.lock().await.versions.len() as u32;
        let version = Version::new(random.u32(1..=newest.max(1))).expect("it is not 0");
        let version = VersionRef::Version(version);
        let canary = alias("canary");
        let changed = match random.u32(0..12) {
            0..=2 => {
                let champion = AliasName::champion();
                store.set_alias(&s, &champion, &version, ANY).await
            }
            3 | 4 => store.set_alias(&s, &canary, &version, ANY).await,
            5 => store.remove_alias(&s, &canary, ANY).await,
            6 => store.remove_alias(&s, &AliasName::champion(), ANY).await,
            7 | 8 => store.rollback(&s, ANY).await,
            9 => store.delete_model(&s, &version, ANY).await,
            10 => store.prune(&s, 4).await,
            _ => store.delete_series(&s, ANY).await,
        };
        match changed {
            Ok(changed) if changed.is_new => told.lock().await.revisions.push(changed.revision),
            Ok(_) | Err(RegistryError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Looks at the series again and again: no look shows what never was.
async fn look_often(store: Store, s: SeriesId) -> Result<()> {
    let mut last = Revision(0);
    for _ in 0..150 {
        let found = store.serving(&s).await?;
        ensure!(found.revision >= last, "{} after {last}", found.revision);
        last = found.revision;
        let champion = found.aliases.iter().find(|(name, _)| name.is_champion());
        if let Some((_, version)) = champion {
            ensure!(found.model.map(|model| model.version) == Some(*version));
        }
        store.sweep_pending(Duration::from_secs(3_600)).await?;
    }
    Ok(())
}

pub(crate) async fn fits_promotions_rollbacks_and_deletions_at_once_fail_nobody(
    backend: &impl Backend,
) -> Result<()> {
    let s = series("s");
    let told = Arc::new(Mutex::new(Told::default()));
    let mut tasks = JoinSet::new();
    for n in 0..3 {
        let store = backend.open().await?;
        let changes = change_often(store.clone(), s.clone(), n, Arc::clone(&told));
        tasks.spawn(changes);
        tasks.spawn(fit_often(
            store.clone(),
            s.clone(),
            n as i32,
            Arc::clone(&told),
        ));
        tasks.spawn(look_often(store, s.clone()));
    }
    for ended in tasks.join_all().await {
        ended?;
    }
    let Told {
        versions,
        mut revisions,
    } = std::mem::take(&mut *told.lock().await);
    assert_eq!(versions.len(), 75);
    assert_eq!(versions.iter().collect::<BTreeSet<_>>().len(), 75);
    // Each change was told one revision, and none was left out.
    revisions.sort();
    let counted: Vec<_> = (1..=revisions.len() as u64).map(Revision).collect();
    assert_eq!(revisions, counted);
    let store = backend.open().await?;
    assert_eq!(store.serving(&s).await?.revision.0, counted.len() as u64);
    let orphans = "
        SELECT count(*) FROM training_data t WHERE NOT EXISTS (
            SELECT 1 FROM models m WHERE m.series_id = t.series_id AND m.version = t.version)";
    assert_eq!(backend.number(orphans).await?, 0);
    Ok(())
}

pub(crate) async fn of_two_who_know_the_same_revision_one_changes_something(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    for n in 1..=10 {
        fit(&store, &s, &points(n, 3)).await?;
    }
    let when = Precondition::Revision(vec![Revision(10)]);
    let mut clients = JoinSet::new();
    for n in 1..=10 {
        let (store, s, when) = (backend.open().await?, s.clone(), when.clone());
        clients.spawn(async move {
            let version = VersionRef::Version(Version::new(n).expect("it is not 0"));
            store
                .set_alias(&s, &AliasName::champion(), &version, &when)
                .await
        });
    }
    let mut changed = 0;
    for answer in clients.join_all().await {
        match answer {
            Ok(_) => changed += 1,
            Err(RegistryError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    assert_eq!(changed, 1);
    assert_eq!(store.serving(&s).await?.revision, Revision(11));
    Ok(())
}
