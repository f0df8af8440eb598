//! Reads everything back: what was acknowledged is there, once, and nothing else is.

use std::collections::BTreeSet;

use anyhow::{Context, bail, ensure};
use contract::{ModelInfo, SeriesId, Version, VersionRef};
use store::{Store, TrainingPoints};
use testkit::{Client, eventually, series};

use crate::{
    clients::HELD,
    journal::{Fit, Journal, Registry},
};

/// Checks everything that `journal` knows of its series, through the API and in `store`.
///
/// # Errors
/// The first thing that is lost, there twice, or different.
pub(crate) async fn check(journal: &Journal, client: Client, store: &Store) -> anyhow::Result<()> {
    if let Some(wrong) = journal.wrong.first() {
        bail!("a wrong verdict: {wrong}");
    }
    let versions: BTreeSet<_> = journal
        .fits
        .iter()
        .map(|f| (&f.series, f.version))
        .collect();
    ensure!(
        versions.len() == journal.fits.len(),
        "a version was given twice"
    );
    let names: BTreeSet<_> = journal.fits.iter().map(|fit| &fit.series).collect();
    for series in names {
        let listed = eventually("the list of models", || client.models(series)).await?;
        check_listed(journal, series, &listed)?;
        let newest = listed.iter().map(|model| model.version).max();
        let judged = client.predict(series, 1.5).await.context("predicting")?;
        if series.ends_with("registry") {
            check_registry(&journal.registry, &listed)?;
        } else {
            let version = judged.model_version;
            ensure!(newest <= Some(version), "{series} is judged by {version}");
        }
        for model in &listed {
            let points = usize::try_from(model.points)?;
            check_points(store, series, model.version, points).await?;
        }
    }
    Ok(())
}

/// The models that a series has, against the fits that were asked for.
fn check_listed(journal: &Journal, series: &str, listed: &[ModelInfo]) -> anyhow::Result<()> {
    let mut sizes = BTreeSet::new();
    for model in listed {
        let (version, points) = (model.version, usize::try_from(model.points)?);
        ensure!(
            sizes.insert(points),
            "{series}: {points} points were fitted twice"
        );
        let asked = journal.open_fits.contains(&(series.to_owned(), points));
        let acknowledged = journal.fits.contains(&Fit {
            series: series.to_owned(),
            version,
            points,
        });
        ensure!(
            asked || acknowledged,
            "{series}: nobody asked for {version} of {points} points"
        );
    }
    let doomed = &journal.registry.doomed;
    for fit in journal.fits.iter().filter(|fit| fit.series == series) {
        let may_be_deleted = series.ends_with("registry") && doomed.contains(&fit.version);
        let is_listed = listed.iter().any(|model| model.version == fit.version);
        ensure!(is_listed || may_be_deleted, "lost: {fit:?}");
    }
    Ok(())
}

/// Promotions and deletions of the client that makes them.
fn check_registry(registry: &Registry, listed: &[ModelInfo]) -> anyhow::Result<()> {
    let back = listed
        .iter()
        .find(|model| registry.deleted.contains(&model.version));
    ensure!(back.is_none(), "deleted and there again: {back:?}");
    let is_champion = |model: &&ModelInfo| model.aliases.iter().any(|a| a.as_str() == "champion");
    let champion = listed.iter().find(is_champion).map(|model| model.version);
    let possible = &registry.champion;
    let is_possible = champion.is_some_and(|version| possible.contains(&version));
    ensure!(
        is_possible || registry.promotions == 0,
        "champion is {champion:?}, may be {possible:?}"
    );
    Ok(())
}

/// Demands that the store has exactly the points of a fit, waiting until they are there.
///
/// # Errors
/// When it has others, or lacks some after two minutes.
pub(crate) async fn check_points(
    store: &Store,
    series: &str,
    version: Version,
    points: usize,
) -> anyhow::Result<()> {
    let id = SeriesId::new(series)?;
    let version = VersionRef::Version(version);
    let stored = eventually("the points of a fit", || async {
        match store.training_points(&id, Some(&version)).await? {
            TrainingPoints::Complete(_, points) => Ok(points),
            TrainingPoints::Incomplete => bail!("{series} {version} lacks points"),
            TrainingPoints::NoModel => bail!("{series} {version} has no model"),
        }
    });
    let stored = stored.await?;
    let expected = series::rising(points, 1.0);
    ensure!(stored == expected, "{series} {version}: other points");
    Ok(())
}

/// The number of counted predictions of [`HELD`], once it is at least `least`.
///
/// # Errors
/// When fewer are counted, or more than `most`.
pub(crate) async fn check_counts(
    client: Client,
    least: usize,
    most: usize,
) -> anyhow::Result<usize> {
    let counted = eventually("the predictions to be counted", || async {
        let usage = client.health().await?.model_usage;
        let counted: usize = usage.get(HELD).map_or(Ok(0), |count| count.parse())?;
        ensure!(
            counted >= least,
            "{counted} of {least} predictions are counted"
        );
        Ok(counted)
    });
    let counted = counted.await?;
    ensure!(
        counted <= most,
        "{counted} predictions are counted, {most} were made"
    );
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use testkit::Platform;

    use super::*;
    use crate::clients;

    /// A journal of fits of one series, each a version and a number of points.
    fn journal(fits: &[(u32, usize)]) -> Journal {
        let fit = |(version, points): &(u32, usize)| Fit {
            series: "run1_0".to_owned(),
            version: Version::new(*version).unwrap(),
            points: *points,
        };
        Journal {
            fits: fits.iter().map(fit).collect(),
            ..Journal::default()
        }
    }

    #[tokio::test]
    async fn what_is_lost_or_there_twice_is_found() -> anyhow::Result<()> {
        let platform = Platform::start().await?;
        let client = platform.client();
        for points in [10, 11, 11] {
            clients::fit(client, "run1_0", points).await?;
        }
        let store = Store::sqlite(&platform.folder().join("store.db")).await?;
        let says = async |journal: Journal| {
            let checked = check(&journal, client, &store).await;
            checked.map_or_else(|error| error.to_string(), |()| "nothing".to_owned())
        };
        let twice = says(journal(&[(1, 10), (2, 11), (3, 11)])).await;
        assert!(twice.contains("fitted twice"), "{twice}");
        client.delete("/v1/series/run1_0/models/v2", &[]).await?;
        assert_eq!(says(journal(&[(1, 10), (3, 11)])).await, "nothing");
        for (journal, fault) in [
            (journal(&[(1, 10), (2, 12), (3, 11)]), "lost"),
            (journal(&[(1, 10)]), "nobody asked for v3"),
            (journal(&[(1, 10), (3, 11), (3, 11)]), "given twice"),
        ] {
            let said = says(journal).await;
            assert!(said.contains(fault), "{said}");
        }
        Ok(())
    }
}
