//! The check of one dependency: asked at most once a second, and patient with one that is slow.
//!
//! A busy machine makes any check late now and then. So a check that is late is not given up: what
//! it was about to use, such as a connection, would be lost, and the next one would be later still.
//! While it goes on, what was known before holds for a while.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};

use super::{Need, Worked};
use crate::task;

/// How long the result of a check is used again.
const FRESH: Duration = Duration::from_secs(1);
/// How long a dependency that has answered counts as there while it is late.
const TRUST: Duration = Duration::from_secs(5);
/// How long a check that is late goes on. Its own time limits should be no shorter.
pub const LATEST: Duration = Duration::from_secs(5);

pub(super) type Outcome = Result<(), String>;
type Probe = Box<dyn Fn() -> BoxFuture<'static, Vec<Outcome>> + Send + Sync>;

/// The check of one dependency, which may have several parts.
pub(super) struct Check {
    names: Vec<&'static str>,
    need: Need,
    timeout: Duration,
    probe: Probe,
    worked: Worked,
    state: Mutex<State>,
}

/// What is known of a dependency.
#[derive(Default)]
struct State {
    /// The last answer, and when it came.
    last: Option<(Instant, Vec<Outcome>)>,
    /// How long callers wait for the last question, and its end: it is open until the sender is
    /// dropped.
    open: Option<(Instant, watch::Receiver<()>)>,
    /// What was last logged of each part.
    said: Vec<Outcome>,
}

/// A question to the dependency.
struct Question {
    /// How long its answer is waited for.
    until: Instant,
    end: watch::Receiver<()>,
    /// Asks it, if nobody has.
    ask: Option<BoxFuture<'static, ()>>,
}

/// The result of the check of one part of a dependency.
pub(super) struct CheckResult {
    pub(super) name: &'static str,
    pub(super) need: Need,
    pub(super) outcome: Outcome,
}

impl Check {
    pub(super) fn new<const N: usize, Fut>(
        names: [&'static str; N],
        need: Need,
        timeout: Duration,
        worked: Worked,
        probe: impl Fn() -> Fut + Send + Sync + 'static,
    ) -> Self
    where
        Fut: Future<Output = [Outcome; N]> + Send + 'static,
    {
        Self {
            names: names.to_vec(),
            need,
            timeout,
            probe: Box::new(move || {
                let answer = probe();
                async move { answer.await.to_vec() }.boxed()
            }),
            worked,
            state: Mutex::new(State {
                said: vec![Ok(()); N],
                ..State::default()
            }),
        }
    }

    /// The results of all parts, at most a second old unless the dependency is late. Callers that
    /// come while a question is open wait for its answer, as long as it has.
    pub(super) async fn results(self: &Arc<Self>) -> Vec<CheckResult> {
        if let Some(Question {
            until,
            mut end,
            ask,
        }) = self.question()
        {
            // Whether there is an answer is in the state.
            _ = match ask {
                Some(ask) => timeout_at(until, task::on_main(ask)).await.map(Ok),
                None => timeout_at(until, end.changed()).await,
            };
        }
        let mut state = self.state();
        let outcomes = self.outcomes(&state);
        self.report(&mut state.said, &outcomes);
        let result = |(name, outcome): (&&'static str, Outcome)| CheckResult {
            name,
            need: self.need,
            outcome,
        };
        self.names.iter().zip(outcomes).map(result).collect()
    }

    /// The question that is open or to be asked. `None` if the last answer will do.
    fn question(self: &Arc<Self>) -> Option<Question> {
        let mut state = self.state();
        if state.fresh().is_some() {
            return None;
        }
        let open = state.open.as_ref();
        if let Some((until, end)) = open.filter(|(_, end)| end.has_changed().is_ok()) {
            let (until, end, ask) = (*until, end.clone(), None);
            return Some(Question { until, end, ask });
        }
        let (open, end) = watch::channel(());
        let until = Instant::now() + self.timeout;
        state.open = Some((until, end.clone()));
        let check = Arc::clone(self);
        let ask = async move {
            if let Ok(answer) = timeout(LATEST, (check.probe)()).await {
                check.state().last = Some((Instant::now(), answer));
            }
            drop(open);
        };
        let ask = Some(ask.boxed());
        Some(Question { until, end, ask })
    }

    fn outcomes(&self, state: &State) -> Vec<Outcome> {
        if let Some(answer) = state.fresh() {
            return answer.to_vec();
        }
        let worked = self.worked.last();
        let proof = match &state.last {
            Some((at, answer)) if answer.iter().all(Result::is_ok) => worked.max(Some(*at)),
            Some((failed, _)) => worked.filter(|worked| worked > failed),
            None => worked,
        };
        match proof.is_some_and(|proof| proof.elapsed() < TRUST) {
            true => vec![Ok(()); self.names.len()],
            false => {
                let error = format!("no answer within {} ms", self.timeout.as_millis());
                vec![Err(error); self.names.len()]
            }
        }
    }

    /// Says once that a part fails and why, and once that it works again.
    fn report(&self, said: &mut Vec<Outcome>, outcomes: &[Outcome]) {
        for ((dependency, before), now) in self.names.iter().zip(&*said).zip(outcomes) {
            match (before, now) {
                (Ok(()), Err(error)) => tracing::warn!(dependency, error, "a dependency fails"),
                (Err(_), Err(error)) => {
                    tracing::debug!(dependency, error, "a dependency still fails");
                }
                (Err(_), Ok(())) => tracing::info!(dependency, "a dependency works again"),
                (Ok(()), Ok(())) => {}
            }
        }
        outcomes.clone_into(said);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The last answer, while it is fresh.
    fn fresh(&self) -> Option<&[Outcome]> {
        let (at, answer) = self.last.as_ref()?;
        (at.elapsed() < FRESH).then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ago(seconds: u32) -> Instant {
        Instant::now() - seconds * SECOND
    }

    /// Whether a dependency counts as there whose last answer was `last` and that last did its work
    /// at `worked`, while no answer is new.
    fn is_ready(last: Option<(Instant, Outcome)>, worked: Option<Instant>) -> bool {
        let never = || std::future::pending::<[Outcome; 1]>();
        let proof = Worked::at(worked);
        let check = Check::new(["postgres"], Need::Required, SECOND, proof, never);
        let mut state = check.state();
        state.last = last.map(|(at, outcome)| (at, vec![outcome]));
        check.outcomes(&state)[0].is_ok()
    }

    #[test]
    fn what_has_just_answered_may_be_late_but_not_for_long() {
        assert!(is_ready(Some((ago(4), Ok(()))), None));
        assert!(!is_ready(Some((ago(6), Ok(()))), None));
        assert!(!is_ready(None, None), "it never answered");
    }

    #[test]
    fn work_that_succeeds_is_proof_while_checks_are_late() {
        assert!(is_ready(Some((ago(60), Ok(()))), Some(ago(4))));
        assert!(is_ready(None, Some(ago(4))));
        assert!(!is_ready(Some((ago(60), Ok(()))), Some(ago(6))));
    }

    #[test]
    fn a_failure_counts_at_once_and_until_something_works_again() {
        let refused = || Err("refused".to_owned());
        assert!(!is_ready(Some((ago(0), refused())), Some(ago(0))));
        assert!(!is_ready(Some((ago(3), refused())), Some(ago(4))));
        assert!(is_ready(Some((ago(3), refused())), Some(ago(2))));
    }
}
