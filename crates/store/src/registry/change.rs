//! What a change of a series is allowed to do, and what it comes to: all decisions, no I/O.
//!
//! Both databases read a [`State`] under the lock of the series, have [`State::plan`] decide, and do what the [`Plan`] says in
//! the same transaction.

use contract::{AliasName, Revision, Version, VersionRef};

use super::{Precondition, Refusal};

/// Aliases of one series, at most: predictors hold them all.
const MAX_ALIASES: usize = 100;

/// Training points that one transaction removes, unless a single model has more. Meanwhile fits of the series wait: for three seconds
/// with a Postgres on two busy cores.
const STEP_POINTS: u64 = 1_000_000;

/// Models that one transaction removes.
const STEP_MODELS: usize = 1_000;

/// What is to be changed about a series.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// Gives the name to a version, whatever had it before.
    Set(&'a AliasName, &'a VersionRef),
    /// Takes the name away.
    Unset(&'a AliasName),
    /// Has what judged before judge again.
    RollBack,
    /// Removes one model.
    DeleteModel(&'a VersionRef),
    /// Removes all models and aliases.
    DeleteSeries,
    /// Removes all models but the newest, so many of them, and those that an alias names; 0: none.
    Prune(u32),
}

/// What can be seen of a series.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// Its revision.
    pub(crate) revision: Revision,
    /// The ready versions in order, and how many points each was fitted on.
    pub(crate) ready: Vec<(Version, u64)>,
    /// Its aliases.
    pub(crate) aliases: Vec<Alias>,
}

/// An alias of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    /// Its name.
    pub(crate) name: AliasName,
    /// The version that it names.
    pub(crate) version: Version,
    /// The version that it named before. May be gone.
    pub(crate) previous: Option<Version>,
}

/// What one transaction has to do. Empty: nothing changes, not even the revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Aliases to take away, before the models go.
    pub(crate) unset: Vec<AliasName>,
    /// The alias to set.
    pub(crate) set: Option<Alias>,
    /// The alias that the client wants to hear of, set or not.
    pub(crate) about: Option<AliasName>,
    /// Models to remove, in order.
    pub(crate) delete: Vec<Version>,
    /// Whether the same change has to be made again, for what was too much for one transaction.
    pub(crate) more: bool,
}

impl Plan {
    /// Whether there is nothing to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.unset.is_empty() && self.set.is_none() && self.delete.is_empty()
    }
}

impl State {
    /// What `change` comes to.
    ///
    /// A client learns first that something is not there, then that it knows an old revision, then all else.
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

    /// The version that judges where a request names none.
    pub(crate) fn serving(&self) -> Option<Version> {
        let champion = self.aliases.iter().find(|alias| alias.name.is_champion());
        champion
            .map(|alias| alias.version)
            .or_else(|| self.ready.last().map(|(version, _)| *version))
    }

    /// The version that judges once `plan` is done.
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

    /// Whether `when` holds of something that `exists`, or does not.
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
            // Until now the newest judged, and that is what a rollback brings back.
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

    /// The version that judged before: what the champion was, or if that is not known, the one before the version that judges.
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

    /// The models go from the oldest on, and what judges goes last.
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

    fn prune(&self, keep: u32) -> Plan {
        let keep = match keep {
            0 => usize::MAX,
            keep => usize::try_from(keep).unwrap_or(usize::MAX),
        };
        let old = &self.ready[..self.ready.len().saturating_sub(keep)];
        let is_named = |version| self.aliases.iter().any(|alias| alias.version == version);
        let (delete, more) = step(
            old.iter()
                .copied()
                .filter(|(version, _)| !is_named(*version)),
        );
        Plan {
            delete,
            more,
            ..Plan::default()
        }
    }
}

/// As many of `models` as one transaction removes, at least one, and whether there are more.
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
