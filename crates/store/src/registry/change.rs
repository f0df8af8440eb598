//! Decides whether a change of a series is allowed and what it does. No I/O.
//!
//! Both databases read a [`State`] under the lock of the series, let [`State::plan`] decide, and
//! execute the [`Plan`] in the same transaction.

use contract::{AliasName, Revision, Version, VersionRef};

use super::Precondition;
use crate::Refusal;

/// The most aliases of one series. Predictors hold them all.
const MAX_ALIASES: usize = 100;

/// The most training points that one transaction removes, unless a single model has more. Fits of
/// the series wait meanwhile: three seconds with Postgres on two busy cores.
const STEP_POINTS: u64 = 1_000_000;

/// The most models that one transaction removes.
const STEP_MODELS: usize = 1_000;

/// A change of a series.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// Sets an alias to a version, whether or not it exists.
    Set(&'a AliasName, &'a VersionRef),
    /// Removes an alias.
    Unset(&'a AliasName),
    /// Makes the previous champion serve again.
    RollBack,
    /// Removes one model.
    DeleteModel(&'a VersionRef),
    /// Removes all models and aliases.
    DeleteSeries,
    /// Removes all models except the newest ones, of this number, and those that an alias names. 0
    /// removes none.
    Prune(u32),
}

/// The visible state of a series.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The revision of the series.
    pub(crate) revision: Revision,
    /// The ready versions in order, each with the number of points that it was fitted on.
    pub(crate) ready: Vec<(Version, u64)>,
    /// The aliases of the series.
    pub(crate) aliases: Vec<Alias>,
}

/// An alias of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    /// The name of the alias.
    pub(crate) name: AliasName,
    /// The version that it names.
    pub(crate) version: Version,
    /// The version that it named before. It may have been deleted.
    pub(crate) previous: Option<Version>,
}

/// The work of one transaction. If it is empty, nothing changes, not even the revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The aliases to remove, before any model.
    pub(crate) unset: Vec<AliasName>,
    /// The alias to set.
    pub(crate) set: Option<Alias>,
    /// The alias that the client is told of, whether or not it has to be set.
    pub(crate) about: Option<AliasName>,
    /// The models to remove, in order.
    pub(crate) delete: Vec<Version>,
    /// Whether the same change has to be made again, because it was too much for one transaction.
    pub(crate) more: bool,
}

impl Plan {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.unset.is_empty() && self.set.is_none() && self.delete.is_empty()
    }
}

impl State {
    /// Plans `change`.
    ///
    /// A client is told first that something does not exist, then that it knows an old revision,
    /// then anything else.
    pub(crate) fn plan(&self, change: Change<'_>, when: &Precondition) -> Result<Plan, Refusal> {
        if self.ready.is_empty() {
            return Err(Refusal::NoSeries);
        }
        match change {
            Change::Set(name, to) => {
                self.check(when, self.alias(name).is_some())?;
                self.set(name, self.resolve(to)?)
            }
            Change::Unset(name) => {
                self.alias(name).ok_or(Refusal::NoAlias)?;
                self.check(when, true)?;
                Ok(Plan {
                    unset: vec![name.clone()],
                    ..Plan::default()
                })
            }
            Change::RollBack => {
                self.check(when, true)?;
                self.set(&AliasName::champion(), self.before()?)
            }
            Change::DeleteModel(of) => {
                let version = self.resolve(of)?;
                self.check(when, true)?;
                self.delete_model(version)
            }
            Change::DeleteSeries => {
                self.check(when, true)?;
                Ok(self.delete_series())
            }
            Change::Prune(keep) => Ok(self.prune(keep)),
        }
    }

    /// The version that serves a request that names none.
    pub(crate) fn serving(&self) -> Option<Version> {
        let champion = self.aliases.iter().find(|alias| alias.name.is_champion());
        champion
            .map(|alias| alias.version)
            .or_else(|| self.ready.last().map(|(version, _)| *version))
    }

    /// The version that serves once `plan` is executed.
    pub(crate) fn serving_after(&self, plan: &Plan) -> Option<Version> {
        let mut after = self.clone();
        after
            .ready
            .retain(|(v, _)| plan.delete.binary_search(v).is_err());
        after
            .aliases
            .retain(|alias| !plan.unset.contains(&alias.name));
        if let Some(set) = &plan.set {
            after.aliases.retain(|alias| alias.name != set.name);
            after.aliases.push(set.clone());
        }
        after.serving()
    }

    /// Checks that `when` holds for an object that `exists`, or does not.
    pub(crate) fn check(&self, when: &Precondition, exists: bool) -> Result<(), Refusal> {
        let holds = match when {
            Precondition::Any => true,
            Precondition::Exists => exists,
            Precondition::Revision(known) => known.contains(&self.revision),
        };
        holds.then_some(()).ok_or(Refusal::Stale(self.revision))
    }

    fn alias(&self, name: &AliasName) -> Option<&Alias> {
        self.aliases.iter().find(|alias| alias.name == *name)
    }

    fn has(&self, version: Version) -> bool {
        self.ready
            .binary_search_by_key(&version, |(v, _)| *v)
            .is_ok()
    }

    fn resolve(&self, reference: &VersionRef) -> Result<Version, Refusal> {
        match reference {
            VersionRef::Version(version) if self.has(*version) => Ok(*version),
            VersionRef::Version(_) => Err(Refusal::NoModel),
            VersionRef::Alias(name) => {
                let alias = self.alias(name).ok_or(Refusal::NoAlias)?;
                Ok(alias.version)
            }
        }
    }

    fn set(&self, name: &AliasName, version: Version) -> Result<Plan, Refusal> {
        let present = self.alias(name);
        let mut plan = Plan {
            about: Some(name.clone()),
            ..Plan::default()
        };
        if present.is_some_and(|alias| alias.version == version) {
            return Ok(plan);
        }
        if present.is_none() && self.aliases.len() >= MAX_ALIASES {
            return Err(Refusal::TooManyAliases);
        }
        let previous = match present {
            Some(alias) => Some(alias.version),
            // Until now the newest version served, and a rollback brings it back.
            None if name.is_champion() => self.serving().filter(|serving| *serving != version),
            None => None,
        };
        plan.set = Some(Alias {
            name: name.clone(),
            version,
            previous,
        });
        Ok(plan)
    }

    /// The version that served before: the previous champion, or if that is not known, the version
    /// before the one that serves.
    fn before(&self) -> Result<Version, Refusal> {
        let champion = self.alias(&AliasName::champion());
        let before = match champion.and_then(|champion| champion.previous) {
            Some(previous) => Some(previous).filter(|previous| self.has(*previous)),
            None => {
                let mut newest_first = self.ready.iter().rev().map(|(version, _)| *version);
                newest_first.find(|version| Some(*version) < self.serving())
            }
        };
        before.ok_or(Refusal::NothingBefore)
    }

    fn delete_model(&self, version: Version) -> Result<Plan, Refusal> {
        let names = self.aliases.iter().filter(|alias| alias.version == version);
        let names: Vec<_> = names.map(|alias| alias.name.clone()).collect();
        if !names.is_empty() {
            return Err(Refusal::InUse(names));
        }
        Ok(Plan {
            delete: vec![version],
            ..Plan::default()
        })
    }

    /// Removes the models from the oldest on, and the serving one last.
    fn delete_series(&self) -> Plan {
        let serving = self.serving();
        let (last, others): (Vec<_>, Vec<_>) =
            self.ready.iter().partition(|(v, _)| Some(*v) == serving);
        let (mut delete, more) = step(others.into_iter().chain(last));
        delete.sort_unstable();
        let gone = |alias: &&Alias| delete.binary_search(&alias.version).is_ok();
        let unset = self
            .aliases
            .iter()
            .filter(gone)
            .map(|alias| alias.name.clone());
        Plan {
            unset: unset.collect(),
            delete,
            more,
            ..Plan::default()
        }
    }

    /// The number of versions that are removed once there is one more.
    pub(crate) fn prunable(&self, keep: u32) -> usize {
        match keep {
            0 => 0,
            keep => self.old(keep - 1).count(),
        }
    }

    /// The versions but for the newest `keep` and those that an alias names.
    fn old(&self, keep: u32) -> impl Iterator<Item = (Version, u64)> {
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let old = &self.ready[..self.ready.len().saturating_sub(keep)];
        let is_named = |version| self.aliases.iter().any(|alias| alias.version == version);
        let old = old.iter().copied();
        old.filter(move |(version, _)| !is_named(*version))
    }

    fn prune(&self, keep: u32) -> Plan {
        let (delete, more) = match keep {
            0 => (Vec::new(), false),
            keep => step(self.old(keep)),
        };
        Plan {
            delete,
            more,
            ..Plan::default()
        }
    }
}

/// As many of `models` as one transaction removes, but at least one, and whether there are more.
fn step(models: impl Iterator<Item = (Version, u64)>) -> (Vec<Version>, bool) {
    let mut points = 0_u64;
    let mut taken = Vec::new();
    for (version, of) in models {
        points = points.saturating_add(of);
        let is_full = points > STEP_POINTS || taken.len() == STEP_MODELS;
        if is_full && !taken.is_empty() {
            return (taken, true);
        }
        taken.push(version);
    }
    (taken, false)
}
