//! Aliases, rollbacks and deletions of one series.

use anyhow::{Context, Result, ensure};
use contract::{AliasName, Revision, SeriesId, Version};
use store::{Changed, Precondition, Refusal, Store, TrainingPoints};

use super::{alias, apply, deliveries, fit, named, of, pend, points, refusal, series, v, whole};
use crate::backend::{Backend, serving};

const ANY: &Precondition = &Precondition::Any;

/// A store with `versions` ready models of a series.
async fn with(backend: &impl Backend, versions: u32) -> Result<(Store, SeriesId)> {
    let (store, s) = (backend.open().await?, series("s"));
    for n in 1..=versions {
        fit(&store, &s, &points(i64::from(n), 3)).await?;
    }
    Ok((store, s))
}

async fn promote(store: &Store, s: &SeriesId, number: u32) -> Result<Changed> {
    let champion = AliasName::champion();
    Ok(store.set_alias(s, &champion, &of(number), ANY).await?)
}

/// Who judges, by number.
async fn judge(store: &Store, s: &SeriesId) -> Result<Option<u32>> {
    Ok(serving(store, s).await?.map(|model| model.version.number()))
}

async fn revision(store: &Store, s: &SeriesId) -> Result<Revision> {
    Ok(store.serving(s).await?.revision)
}

/// The version that the alias named before, by the reply.
async fn previous(store: &Store, s: &SeriesId, name: &str) -> Result<Option<Version>> {
    let detail = store.series(s).await?.context("no series")?;
    let mut aliases = detail.aliases.into_iter();
    let found = aliases.find(|a| a.name == alias(name));
    Ok(found.context("no alias")?.previous)
}

pub(crate) async fn every_change_raises_the_revision_by_one_and_nothing_else_does(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = with(backend, 0).await?;
    assert_eq!(revision(&store, &s).await?, Revision(0));
    let one = pend(&store, &s, &points(1, 3)).await?;
    assert_eq!(revision(&store, &s).await?, Revision(0));
    assert_eq!(store.mark_ready(&s, one).await?, Revision(1));
    assert_eq!(store.mark_ready(&s, one).await?, Revision(1));
    fit(&store, &s, &points(2, 3)).await?;
    let (canary, to) = (alias("canary"), of(1));
    for (changed, at, is_new) in [
        (store.set_alias(&s, &canary, &to, ANY).await?, 3, true),
        (store.set_alias(&s, &canary, &to, ANY).await?, 3, false),
        (store.set_alias(&s, &canary, &of(2), ANY).await?, 4, true),
        (store.delete_model(&s, &to, ANY).await?, 5, true),
        (store.remove_alias(&s, &canary, ANY).await?, 6, true),
        (store.prune(&s, 1).await?, 6, false),
        (store.delete_series(&s, ANY).await?, 7, true),
    ] {
        assert_eq!((changed.revision, changed.is_new), (Revision(at), is_new));
    }
    refusal(store.remove_alias(&s, &canary, ANY).await)?;
    assert_eq!(revision(&store, &s).await?, Revision(7));
    Ok(())
}

pub(crate) async fn the_champion_judges_or_else_the_newest(backend: &impl Backend) -> Result<()> {
    let (store, s) = with(backend, 3).await?;
    let elsewhere = backend.open().await?;
    assert_eq!(judge(&elsewhere, &s).await?, Some(3));
    let changed = promote(&store, &s, 1).await?;
    assert_eq!(
        (changed.serving, changed.revision),
        (Some(v(1)), Revision(4))
    );
    let other = store
        .set_alias(&s, &alias("canary"), &named("champion"), ANY)
        .await?;
    assert_eq!(other.serving, Some(v(1)));
    let found = elsewhere.serving(&s).await?;
    assert_eq!(found.model.map(|model| model.version), Some(v(1)));
    let aliases = [(alias("canary"), v(1)), (alias("champion"), v(1))];
    assert_eq!(
        (found.revision, found.aliases),
        (Revision(5), aliases.into())
    );
    // A fit is a change, but of nothing that judges.
    fit(&store, &s, &points(4, 3)).await?;
    assert_eq!(judge(&elsewhere, &s).await?, Some(1));
    let removed = store.remove_alias(&s, &AliasName::champion(), ANY).await?;
    assert_eq!(removed.serving, Some(v(4)));
    assert_eq!(judge(&elsewhere, &s).await?, Some(4));
    Ok(())
}

pub(crate) async fn an_alias_can_be_set_to_what_another_names(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = with(backend, 3).await?;
    let canary = alias("canary");
    let set = store.set_alias(&s, &canary, &of(2), ANY).await?;
    let set = set.alias.context("no alias")?;
    assert_eq!(
        (&set.name, set.version, set.previous),
        (&canary, v(2), None)
    );
    let champion = AliasName::champion();
    let changed = store
        .set_alias(&s, &champion, &named("canary"), ANY)
        .await?;
    assert_eq!(changed.serving, Some(v(2)));
    // It is the version that was taken over, not the name.
    store.set_alias(&s, &canary, &of(3), ANY).await?;
    assert_eq!(judge(&store, &s).await?, Some(2));
    assert_eq!(previous(&store, &s, "canary").await?, Some(v(2)));
    let again = store.set_alias(&s, &canary, &of(3), ANY).await?;
    let again = again.alias.context("no alias")?;
    assert_eq!((again.version, again.previous), (v(3), Some(v(2))));
    Ok(())
}

pub(crate) async fn what_judged_before_judges_again_after_a_rollback(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = with(backend, 5).await?;
    // Without a champion the newest judges: back to the one before it, and from there to where it
    // was.
    for (to, before) in [(4, 5), (5, 4), (4, 5)] {
        let changed = store.rollback(&s, ANY).await?;
        assert_eq!(changed.serving, Some(v(to)));
        let champion = changed.alias.context("no alias")?;
        assert!(champion.name.is_champion());
        assert_eq!(
            (champion.version, champion.previous),
            (v(to), Some(v(before)))
        );
        assert_eq!(judge(&store, &s).await?, Some(to));
    }
    promote(&store, &s, 2).await?;
    promote(&store, &s, 1).await?;
    assert_eq!(store.rollback(&s, ANY).await?.serving, Some(v(2)));
    // The first promotion replaced the newest.
    store.remove_alias(&s, &AliasName::champion(), ANY).await?;
    promote(&store, &s, 3).await?;
    assert_eq!(store.rollback(&s, ANY).await?.serving, Some(v(5)));
    // To call the newest champion replaced nothing.
    store.remove_alias(&s, &AliasName::champion(), ANY).await?;
    promote(&store, &s, 5).await?;
    assert_eq!(store.rollback(&s, ANY).await?.serving, Some(v(4)));
    Ok(())
}

pub(crate) async fn there_is_no_way_back_to_what_is_gone(backend: &impl Backend) -> Result<()> {
    let (store, s) = with(backend, 1).await?;
    let nothing = Refusal::NothingBefore;
    assert_eq!(refusal(store.rollback(&s, ANY).await)?, nothing);
    promote(&store, &s, 1).await?;
    assert_eq!(refusal(store.rollback(&s, ANY).await)?, nothing);
    fit(&store, &s, &points(2, 3)).await?;
    fit(&store, &s, &points(3, 3)).await?;
    promote(&store, &s, 2).await?;
    promote(&store, &s, 3).await?;
    assert_eq!(previous(&store, &s, "champion").await?, Some(v(2)));
    store.delete_model(&s, &of(2), ANY).await?;
    // Not to v1 either, which judged before that.
    assert_eq!(previous(&store, &s, "champion").await?, None);
    assert_eq!(refusal(store.rollback(&s, ANY).await)?, nothing);
    assert_eq!(judge(&store, &s).await?, Some(3));
    assert_eq!(
        refusal(store.rollback(&series("t"), ANY).await)?,
        Refusal::NoSeries
    );
    Ok(())
}

pub(crate) async fn a_model_that_an_alias_names_is_not_deleted(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = with(backend, 3).await?;
    for name in ["canary", "b", "champion"] {
        store.set_alias(&s, &alias(name), &of(2), ANY).await?;
    }
    let names = ["b", "canary", "champion"].map(alias);
    for model in [of(2), named("b")] {
        let refused = refusal(store.delete_model(&s, &model, ANY).await)?;
        assert_eq!(refused, Refusal::InUse(names.clone().into()));
    }
    assert_eq!(revision(&store, &s).await?, Revision(6));
    // The newest may go: then the one before it is the newest.
    let changed = store.delete_model(&s, &of(3), ANY).await?;
    assert_eq!((changed.serving, changed.deleted), (Some(v(2)), vec![v(3)]));
    store.remove_alias(&s, &AliasName::champion(), ANY).await?;
    assert_eq!(judge(&store, &s).await?, Some(2));
    Ok(())
}

pub(crate) async fn a_deleted_model_takes_its_points_along_and_late_ones_are_dropped(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = (backend.open().await?, series("s"));
    let (first, second) = (points(1, 4), points(2, 6));
    let one = fit(&store, &s, &first).await?.version;
    let two = fit(&store, &s, &second).await?.version;
    let events = [whole(&s, one, &first), whole(&s, two, &second)];
    assert_eq!(apply(&store, &deliveries(0, 0, &events)).await?, 10);
    store.delete_model(&s, &of(1), ANY).await?;
    let left = "SELECT count(*) FROM training_data WHERE version = 1";
    assert_eq!(backend.number(left).await?, 0);
    assert_eq!(apply(&store, &deliveries(1, 0, &events[..1])).await?, 0);
    assert_eq!(backend.number(left).await?, 0);
    let gone = store.training_points(&s, Some(&of(1))).await?;
    assert_eq!(gone, TrainingPoints::NoModel);
    let stays = store.training_points(&s, Some(&of(2))).await?;
    assert!(matches!(stays, TrainingPoints::Complete(_, stored) if stored == second));
    Ok(())
}

pub(crate) async fn a_deleted_series_is_gone_and_its_numbers_go_on(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = with(backend, 2).await?;
    let events = [
        whole(&s, v(1), &points(1, 3)),
        whole(&s, v(2), &points(2, 3)),
    ];
    apply(&store, &deliveries(0, 0, &events[..1])).await?;
    promote(&store, &s, 1).await?;
    let (other, under_way) = (series("s2"), pend(&store, &s, &points(3, 3)).await?);
    let kept = fit(&store, &other, &points(9, 3)).await?;
    let changed = store.delete_series(&s, ANY).await?;
    assert_eq!((changed.serving, changed.revision), (None, Revision(4)));
    assert_eq!(changed.deleted, [v(1), v(2)]);
    apply(&store, &deliveries(0, 1, &events[1..])).await?;
    for table in ["training_data", "aliases"] {
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(backend.number(&count).await?, 0, "{table}");
    }
    let found = store.serving(&s).await?;
    assert_eq!((found.model, found.revision), (None, Revision(4)));
    assert_eq!(found.aliases, []);
    assert_eq!(store.series(&s).await?, None);
    assert_eq!(
        refusal(store.delete_series(&s, ANY).await)?,
        Refusal::NoSeries
    );
    assert_eq!(serving(&store, &other).await?, Some(kept));
    // A fit that was under way goes on to its end.
    assert_eq!(store.mark_ready(&s, under_way).await?, Revision(5));
    assert_eq!(fit(&store, &s, &points(4, 3)).await?.version, v(4));
    assert_eq!(judge(&store, &s).await?, Some(4));
    Ok(())
}

pub(crate) async fn what_is_too_much_for_one_transaction_goes_in_several(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = with(backend, 6).await?;
    promote(&store, &s, 1).await?;
    store.set_alias(&s, &alias("canary"), &of(3), ANY).await?;
    backend.execute("UPDATE models SET points = 400000").await?;
    // Two at a time, the first of which has to be allowed.
    let stale = Precondition::Revision(vec![Revision(1)]);
    let refused = refusal(store.delete_series(&s, &stale).await)?;
    assert_eq!(refused, Refusal::Stale(Revision(8)));
    let allowed = Precondition::Revision(vec![Revision(8)]);
    let changed = store.delete_series(&s, &allowed).await?;
    assert_eq!((changed.revision, changed.serving), (Revision(11), None));
    assert_eq!(changed.deleted, [2, 3, 4, 5, 1, 6].map(v));
    let left = "SELECT count(*) FROM models";
    assert_eq!(backend.number(left).await?, 0);
    Ok(())
}

pub(crate) async fn pruning_keeps_the_newest_and_what_aliases_name(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = with(backend, 7).await?;
    let event = whole(&s, v(1), &points(1, 3));
    apply(&store, &deliveries(0, 0, &[event])).await?;
    promote(&store, &s, 2).await?;
    store.set_alias(&s, &alias("canary"), &of(4), ANY).await?;
    for keep in [0, 7, 8, u32::MAX] {
        assert_eq!(store.prune(&s, keep).await?.deleted, []);
    }
    assert_eq!(store.prune(&s, 2).await?.deleted, [1, 3, 5].map(v));
    assert_eq!(store.prune(&s, 2).await?.deleted, []);
    assert_eq!(
        backend.number("SELECT count(*) FROM training_data").await?,
        0
    );
    let models = store.list_models(&s, None, 10).await?.context("none")?;
    let left: Vec<_> = models.iter().map(|model| model.version).collect();
    assert_eq!(left, [7, 6, 4, 2].map(v));
    store.remove_alias(&s, &AliasName::champion(), ANY).await?;
    assert_eq!(store.prune(&s, 1).await?.serving, Some(v(7)));
    assert_eq!(judge(&store, &s).await?, Some(7));
    assert_eq!(
        refusal(store.prune(&series("t"), 1).await)?,
        Refusal::NoSeries
    );
    Ok(())
}

pub(crate) async fn who_knows_an_old_revision_changes_nothing(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = with(backend, 3).await?;
    let (canary, before) = (alias("canary"), store.series(&s).await?);
    for known in [vec![], vec![Revision(2)], vec![Revision(4), Revision(0)]] {
        let when = Precondition::Revision(known);
        for answer in [
            store.set_alias(&s, &canary, &of(1), &when).await,
            store.set_alias(&s, &canary, &of(9), &when).await,
            store.rollback(&s, &when).await,
            store.delete_model(&s, &of(1), &when).await,
            store.delete_series(&s, &when).await,
        ] {
            assert_eq!(refusal(answer)?, Refusal::Stale(Revision(3)));
        }
    }
    assert_eq!(store.series(&s).await?, before);
    // That something is not there comes first, whatever the client knows.
    let stale = Precondition::Revision(vec![Revision(2)]);
    let missing = refusal(store.remove_alias(&s, &canary, &stale).await)?;
    assert_eq!(missing, Refusal::NoAlias);
    let missing = refusal(store.delete_model(&s, &of(4), &stale).await)?;
    assert_eq!(missing, Refusal::NoModel);
    // An alias that is not there does not exist, and one that was set does.
    let exists = Precondition::Exists;
    let unset = refusal(store.set_alias(&s, &canary, &of(1), &exists).await)?;
    assert_eq!(unset, Refusal::Stale(Revision(3)));
    let known = Precondition::Revision(vec![Revision(9), Revision(3)]);
    let set = store.set_alias(&s, &canary, &of(1), &known).await?;
    assert_eq!(set.revision, Revision(4));
    refusal(store.set_alias(&s, &canary, &of(2), &known).await)?;
    store.set_alias(&s, &canary, &of(2), &exists).await?;
    store.remove_alias(&s, &canary, &exists).await?;
    store.rollback(&s, &exists).await?;
    store.delete_model(&s, &of(1), &exists).await?;
    store.delete_series(&s, &exists).await?;
    Ok(())
}

pub(crate) async fn what_is_missing_is_named(backend: &impl Backend) -> Result<()> {
    let (store, s) = with(backend, 1).await?;
    let (nothing, canary) = (series("t"), alias("canary"));
    pend(&store, &s, &points(2, 3)).await?;
    pend(&store, &nothing, &points(1, 3)).await?;
    for (id, model, why) in [
        (&nothing, of(1), Refusal::NoSeries),
        (&nothing, named("canary"), Refusal::NoSeries),
        (&s, of(2), Refusal::NoModel),
        (&s, of(3), Refusal::NoModel),
        (&s, named("canary"), Refusal::NoAlias),
    ] {
        let set = refusal(store.set_alias(id, &canary, &model, ANY).await)?;
        assert_eq!(set, why.clone());
        let deleted = refusal(store.delete_model(id, &model, ANY).await)?;
        assert_eq!(deleted, why.clone());
        let info = refusal(store.model_info(id, &model).await)?;
        assert_eq!(info, why.clone());
        let document = refusal(store.model_document(id, &model).await)?;
        assert_eq!(document, why);
        let points = store.training_points(id, Some(&model)).await?;
        assert_eq!(points, TrainingPoints::NoModel);
    }
    let unset = refusal(store.remove_alias(&s, &canary, ANY).await)?;
    assert_eq!(unset, Refusal::NoAlias);
    let unset = refusal(store.remove_alias(&nothing, &canary, ANY).await)?;
    assert_eq!(unset, Refusal::NoSeries);
    assert_eq!(store.model(&s, v(2)).await?, None);
    assert_eq!(store.model(&nothing, v(1)).await?, None);
    ensure!(store.model(&s, v(1)).await?.is_some());
    Ok(())
}

pub(crate) async fn a_series_has_no_more_aliases_than_predictors_can_hold(
    backend: &impl Backend,
) -> Result<()> {
    let (store, s) = with(backend, 2).await?;
    for n in 0..100 {
        store
            .set_alias(&s, &alias(&format!("a{n}")), &of(1), ANY)
            .await?;
    }
    let refused = refusal(
        store
            .set_alias(&s, &AliasName::champion(), &of(1), ANY)
            .await,
    )?;
    assert_eq!(refused, Refusal::TooManyAliases);
    store.set_alias(&s, &alias("a7"), &of(2), ANY).await?;
    assert_eq!(store.serving(&s).await?.aliases.len(), 100);
    Ok(())
}
