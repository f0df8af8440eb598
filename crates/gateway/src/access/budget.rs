//! What one caller may use: requests and bytes a second, and seconds of work a minute.

use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use contract::KeyLimits;
use quick_cache::sync::Cache;

/// The most addresses whose use is known. A further one takes the place of one that was not seen
/// for long, which then may begin anew.
const MAX_ADDRESSES: usize = 65_536;

/// Units that come back at a steady rate. More may be taken than are left: then there is a debt,
/// and nothing to take until it is paid.
#[derive(Debug)]
struct Bucket {
    /// How long a unit takes to come back, in nanoseconds.
    unit: f64,
    /// The same as a whole number.
    one: u64,
    /// How far ahead of the clock units may be taken, in nanoseconds.
    ahead: u64,
    /// The moment at which all that was taken has come back, in nanoseconds of [`now`].
    paid: AtomicU64,
}

impl Bucket {
    /// `units` come back in `time`. As much may be owed before nothing more is taken.
    fn new(units: f64, time: Duration) -> Self {
        let nanoseconds = time.as_nanos() as f64;
        Self {
            unit: nanoseconds / units,
            one: (nanoseconds / units) as u64,
            ahead: nanoseconds as u64,
            paid: AtomicU64::new(0),
        }
    }

    /// The same for units that are taken one at a time: `units` of them at once, or one.
    fn of_single(units: f64, time: Duration) -> Self {
        let bucket = Self::new(units, time);
        Self {
            ahead: bucket.ahead.saturating_sub(bucket.unit as u64),
            ..bucket
        }
    }

    /// Whether there is something to take.
    ///
    /// # Errors
    /// The time until there is.
    fn check(&self, now: u64) -> Result<(), Duration> {
        let ahead = self.paid.load(Relaxed).saturating_sub(now);
        match ahead.checked_sub(self.ahead) {
            None | Some(0) => Ok(()),
            Some(wait) => Err(Duration::from_nanos(wait)),
        }
    }

    fn take(&self, units: f64, now: u64) {
        self.take_for((units * self.unit) as u64, now);
    }

    fn take_one(&self, now: u64) {
        self.take_for(self.one, now);
    }

    /// Takes what comes back in `cost` nanoseconds.
    fn take_for(&self, cost: u64, now: u64) {
        let taken = |paid: u64| Some(paid.max(now).saturating_add(cost));
        // It never fails: `taken` is never `None`.
        let _ = self.paid.fetch_update(Relaxed, Relaxed, taken);
    }

    fn give_back(&self, units: f64) {
        let cost = (units * self.unit) as u64;
        let given = |paid: u64| Some(paid.saturating_sub(cost));
        let _ = self.paid.fetch_update(Relaxed, Relaxed, given);
    }
}

/// The time as buckets count it, in nanoseconds.
pub(super) fn now(at: Instant) -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let elapsed = at.saturating_duration_since(*START);
    // Enough for 584 years, and a third of the instructions that 128 bits would take.
    elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos())
}

/// What one caller may use, and what is left of it.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: KeyLimits,
    requests: Option<Bucket>,
    bytes: Option<Bucket>,
    work: Option<Bucket>,
}

/// A budget has nothing left of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// In a sentence: `requests`.
    pub(crate) what: &'static str,
    /// When there is something left again.
    pub(crate) again_in: Duration,
}

impl Budget {
    /// `None` if nothing is limited.
    pub(super) fn new(limits: KeyLimits) -> Option<Arc<Self>> {
        let KeyLimits {
            requests_per_second: requests,
            bytes_per_second: bytes,
            work_seconds_per_minute: work,
        } = limits;
        let budget = Self {
            limits,
            requests: requests.map(|units| Bucket::of_single(units, SECOND)),
            bytes: bytes.map(|units| Bucket::new(units, SECOND)),
            work: work.map(|units| Bucket::new(units, MINUTE)),
        };
        (limits != KeyLimits::default()).then(|| Arc::new(budget))
    }

    pub(super) fn limits(&self) -> KeyLimits {
        self.limits
    }

    /// Takes a request, if there is one left and no debt of bytes, nor of work if it `works`.
    ///
    /// # Errors
    /// What is spent.
    pub(super) fn admit(&self, works: bool, now: u64) -> Result<(), Spent> {
        let spent = |what| move |again_in| Spent { what, again_in };
        if let Some(work) = self.work.as_ref().filter(|_| works) {
            work.check(now).map_err(spent("seconds of work"))?;
        }
        if let Some(bytes) = &self.bytes {
            bytes.check(now).map_err(spent("bytes"))?;
        }
        if let Some(requests) = &self.requests {
            requests.check(now).map_err(spent("requests"))?;
            requests.take_one(now);
        }
        Ok(())
    }

    /// Gives back a request with a body of `bytes`.
    pub(super) fn give_back(&self, bytes: usize) {
        if let Some(requests) = &self.requests {
            requests.give_back(1.0);
        }
        if let Some(bucket) = &self.bytes {
            bucket.give_back(bytes as f64);
        }
    }

    /// Takes the bytes of a body.
    pub(super) fn take_bytes(&self, bytes: usize, now: u64) {
        if let Some(bucket) = &self.bytes {
            bucket.take(bytes as f64, now);
        }
    }

    pub(super) fn has_bytes(&self) -> bool {
        self.bytes.is_some()
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Work in progress: its time is taken from a budget when it ends.
#[derive(Debug)]
pub(crate) struct Working {
    budget: Arc<Budget>,
    since: Instant,
}

impl Working {
    /// Work begins, if its time matters.
    pub(super) fn of(budget: &Arc<Budget>) -> Option<Self> {
        budget.work.as_ref().map(|_| Self {
            budget: Arc::clone(budget),
            since: Instant::now(),
        })
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(work) = &self.budget.work {
            let end = Instant::now();
            work.take((end - self.since).as_secs_f64(), now(end));
        }
    }
}

/// The budgets of callers without a key, by address.
pub(super) struct Addresses {
    limits: KeyLimits,
    budgets: Cache<IpAddr, Option<Arc<Budget>>>,
}

impl Addresses {
    /// `None` if nothing is limited.
    pub(super) fn new(limits: KeyLimits) -> Option<Self> {
        (limits != KeyLimits::default()).then(|| Self {
            limits,
            budgets: Cache::new(MAX_ADDRESSES),
        })
    }

    pub(super) fn of(&self, address: IpAddr) -> Option<Arc<Budget>> {
        let make = || Ok::<_, std::convert::Infallible>(Budget::new(self.limits));
        let Ok(budget) = self.budgets.get_or_insert_with(&client_of(address), make);
        budget
    }
}

/// The addresses that belong to one client: of IPv6 a network of 64 bits.
fn client_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            Ipv6Addr::from_bits(network).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn limits(requests: f64) -> KeyLimits {
        KeyLimits {
            requests_per_second: Some(requests),
            ..KeyLimits::default()
        }
    }

    #[test]
    fn requests_come_back_one_by_one() {
        let budget = Budget::new(limits(4.0)).unwrap();
        let start = 10_000 * MS;
        let admitted = |now| (0..9).filter(|_| budget.admit(false, now).is_ok()).count();
        assert_eq!(admitted(start), 4);
        let spent = budget.admit(false, start).unwrap_err();
        assert_eq!(spent.what, "requests");
        let again = start + u64::try_from(spent.again_in.as_nanos()).unwrap();
        assert_eq!(budget.admit(false, again - 1).ok(), None);
        assert_eq!(admitted(again), 1);
        assert_eq!(admitted(start + 5 * 250 * MS), 4);
        // Never more at once than in a second, however long nobody came.
        assert_eq!(admitted(start + 3_600_000 * MS), 4);
        budget.give_back(0);
        assert_eq!(admitted(start + 3_600_000 * MS), 1);
    }

    #[test]
    fn bytes_are_a_debt_until_they_have_come_back() {
        let bytes = KeyLimits {
            bytes_per_second: Some(1000.0),
            ..KeyLimits::default()
        };
        let budget = Budget::new(bytes).unwrap();
        budget.take_bytes(3000, 0);
        let spent = budget.admit(false, 0).unwrap_err();
        assert_eq!((spent.what, spent.again_in.as_millis()), ("bytes", 2000));
        assert!(budget.admit(false, 1999 * MS).is_err());
        assert!(budget.admit(false, 2001 * MS).is_ok());
    }

    #[test]
    fn work_counts_for_calls_that_work() {
        let work = KeyLimits {
            work_seconds_per_minute: Some(1e-9),
            ..KeyLimits::default()
        };
        let budget = Budget::new(work).unwrap();
        let at = now(Instant::now());
        assert!(budget.admit(true, at).is_ok());
        drop(Working::of(&budget));
        assert_eq!(budget.admit(true, at).unwrap_err().what, "seconds of work");
        assert!(budget.admit(false, at).is_ok());
    }

    #[test]
    fn an_address_has_one_budget_and_a_network_of_ipv6_too() {
        assert!(Addresses::new(KeyLimits::default()).is_none());
        let addresses = Addresses::new(limits(1.0)).unwrap();
        let admit = |address: &str| {
            let budget = addresses.of(address.parse().unwrap()).unwrap();
            budget.admit(false, 10_000 * MS).is_ok()
        };
        assert!(admit("10.0.0.1") && admit("10.0.0.2") && !admit("10.0.0.1"));
        assert!(admit("2001:db8::1") && !admit("2001:db8::ffff:2") && admit("2001:db8:0:1::1"));
    }
}
