//! Whether `/readyz` told the truth: what it said every tenth of a second, against what worked.

use std::time::{Duration, Instant};

use testkit::Client;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::journal::{Call, End, Kind};

/// The time between two samples.
const EVERY: Duration = Duration::from_millis(100);
/// A reply after this long is none.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long readiness may differ from what works: checks are kept for a second, a dependency has a
/// second to answer, and the machine may be busy.
pub(crate) const LAG: Duration = Duration::from_secs(10);

/// What `/readyz` of one server said, and when.
type Samples = Vec<(Instant, bool)>;

/// Asks servers for their readiness until it is told to stop.
pub(crate) struct Watch {
    kinds: &'static [Kind],
    stop: oneshot::Sender<()>,
    samples: JoinHandle<Samples>,
}

impl Watch {
    /// Watches whether the servers at `clients` are all ready, for requests of any of `kinds`.
    pub(crate) fn start(kinds: &'static [Kind], clients: Vec<Client>) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let watch = async move {
            let mut samples = Vec::new();
            while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                let at = Instant::now();
                let mut ready = true;
                for client in &clients {
                    ready &= is_ready(*client).await;
                }
                samples.push((at, ready));
                tokio::time::sleep(EVERY).await;
            }
            samples
        };
        #[expect(clippy::disallowed_methods, reason = "end() looks at how it ended")]
        let samples = tokio::spawn(watch);
        Self {
            kinds,
            stop,
            samples,
        }
    }

    /// Stops, and compares what was said with the `calls` of the same time. `None` if it was true.
    ///
    /// # Errors
    /// When watching panicked.
    pub(crate) async fn end(self, calls: &[Call]) -> anyhow::Result<Option<String>> {
        // It ends by itself if nobody listens any more.
        _ = self.stop.send(());
        let samples = self.samples.await?;
        let mut calls = calls.to_vec();
        calls.retain(|call| self.kinds.contains(&call.kind));
        Ok(untruth(&samples, &calls, self.kinds).map(|what| format!("{:?}: {what}", self.kinds)))
    }
}

async fn is_ready(client: Client) -> bool {
    let reply = tokio::time::timeout(PATIENCE, client.get("/readyz")).await;
    reply.is_ok_and(|reply| reply.is_ok_and(|reply| reply.status == 200))
}

/// The first stretch of more than [`LAG`] in which the servers were ready and no call of one of
/// `kinds` worked, or were not ready and all calls worked.
fn untruth(samples: &Samples, calls: &[Call], kinds: &[Kind]) -> Option<String> {
    stretches(samples).find_map(|(ready, from, to)| {
        if to - from <= LAG {
            return None;
        }
        if ready {
            let failures = kinds
                .iter()
                .map(|kind| longest_failure(calls, *kind, from, to));
            let longest = failures.max().unwrap_or_default();
            return (longest > LAG).then(|| format!("ready for {longest:.1?} and nothing worked"));
        }
        let mut within = calls.iter().filter(|c| c.started >= from && c.ended <= to);
        let worked = within.clone().count() >= 10 && within.all(|call| call.end == End::Worked);
        worked.then(|| format!("not ready for {:.1?} in which all worked", to - from))
    })
}

/// Stretches of samples that say the same, without a pause of more than [`PATIENCE`].
fn stretches(samples: &Samples) -> impl Iterator<Item = (bool, Instant, Instant)> {
    let same = |a: &(Instant, bool), b: &(Instant, bool)| a.1 == b.1 && b.0 - a.0 <= 2 * PATIENCE;
    let ends =
        |group: &[(Instant, bool)]| Some((group.first()?.1, group.first()?.0, group.last()?.0));
    samples.chunk_by(same).filter_map(ends)
}

/// The longest time between `from` and `to` in which calls of `kind` failed and none had an answer.
fn longest_failure(calls: &[Call], kind: Kind, from: Instant, to: Instant) -> Duration {
    let mut last_success = from;
    let mut longest = Duration::ZERO;
    let within = |call: &&Call| call.kind == kind && call.ended >= from;
    let mut calls: Vec<_> = calls.iter().filter(within).collect();
    calls.sort_by_key(|call| call.ended);
    for call in calls {
        let end = call.ended.min(to);
        longest = longest.max(end.saturating_duration_since(last_success));
        if call.end != End::Failed {
            last_success = last_success.max(end);
        }
        if call.ended >= to {
            break;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(start: Instant, n: u64) -> Instant {
        start + Duration::from_secs(n)
    }

    /// A minute of samples, and a call each second; `what` says of each second whether the server
    /// is ready and the call succeeds.
    fn minute(what: impl Fn(u64) -> (bool, bool)) -> Option<String> {
        let start = Instant::now();
        let samples = (0..60).map(|n| (seconds(start, n), what(n).0)).collect();
        let call = |n| Call {
            kind: Kind::Fit,
            started: seconds(start, n),
            ended: seconds(start, n) + EVERY,
            end: if what(n).1 { End::Worked } else { End::Failed },
        };
        untruth(
            &samples,
            &(0..60).map(call).collect::<Vec<_>>(),
            &[Kind::Fit],
        )
    }

    #[test]
    fn readiness_that_follows_in_time_is_true() {
        assert_eq!(minute(|_| (true, true)), None);
        assert_eq!(minute(|_| (false, false)), None);
        // Late by three seconds at both ends of an outage.
        assert_eq!(
            minute(|n| (!(13..33).contains(&n), !(10..30).contains(&n))),
            None
        );
    }

    #[test]
    fn ready_while_nothing_works_is_untrue() {
        let said = minute(|n| (true, !(10..30).contains(&n)));
        assert!(said.is_some_and(|said| said.starts_with("ready for")));
    }

    #[test]
    fn not_ready_while_all_works_is_untrue() {
        let said = minute(|n| (!(10..30).contains(&n), true));
        assert!(said.is_some_and(|said| said.starts_with("not ready for")));
    }
}
