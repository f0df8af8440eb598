//! The backends of one service: one for each address of its names, as they are now.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    backend::Backend,
    origin::{Origin, Origins},
};

/// The backends of one service.
pub(super) struct Members {
    origins: Vec<Origin>,
    /// A name that was not looked up yet has one backend, which looks it up for each connection.
    now: Mutex<Arc<[Arc<Backend>]>>,
    /// Counts the changes of `now`, from 1.
    generation: AtomicU64,
}

impl Members {
    pub(super) fn new(origins: Origins) -> Self {
        let backends = origins.0.iter().map(|origin| {
            let address = origin.address();
            Arc::new(Backend::new(origin.clone(), address))
        });
        Self {
            now: Mutex::new(backends.collect()),
            origins: origins.0,
            generation: AtomicU64::new(1),
        }
    }

    /// A number that changes when the backends do; never 0.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The backends, at least one, and their generation.
    pub(super) fn now(&self) -> (u64, Arc<[Arc<Backend>]>) {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        (self.generation(), Arc::clone(&now))
    }

    /// Whether there is more than one backend.
    pub(super) fn are_several(&self) -> bool {
        self.now().1.len() > 1
    }

    /// Whether they may become more or fewer, because some are given by name.
    pub(super) fn have_names(&self) -> bool {
        self.origins.iter().any(|origin| origin.address().is_none())
    }

    /// Looks all names up. One that gives no address keeps those that it had.
    pub(super) async fn look_up(&self) {
        let mut found = Vec::new();
        for origin in &self.origins {
            found.push(match origin.address() {
                Some(address) => BTreeSet::from([address]),
                None => addresses(origin).await,
            });
        }
        self.become_those_at(&found);
    }

    /// Takes the addresses in `found`, one set for each origin.
    fn become_those_at(&self, found: &[BTreeSet<SocketAddr>]) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Vec::new();
        for (origin, addresses) in self.origins.iter().zip(found) {
            if addresses.is_empty() {
                next.extend(now.iter().filter(|known| known.is_of(origin)).cloned());
                continue;
            }
            for address in addresses {
                let known = now.iter().find(|known| known.is_at(origin, *address));
                next.push(
                    known
                        .cloned()
                        .unwrap_or_else(|| Arc::new(Backend::new(origin.clone(), Some(*address)))),
                );
            }
        }
        let is_same = now.len() == next.len()
            && now
                .iter()
                .zip(&next)
                .all(|(one, other)| Arc::ptr_eq(one, other));
        if !is_same {
            tracing::info!(backends = ?next, "the backends are these now");
            *now = next.into();
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Notes that `backend` accepts and does not answer, unless as many hang as may be: with half of
    /// them left out, the others more likely have too much to do.
    pub(super) fn note_hanging(&self, backend: &Backend) {
        let (_, backends) = self.now();
        let hanging = backends.iter().filter(|backend| backend.hangs()).count();
        if hanging < backends.len() / 2 {
            backend.set_hangs(true);
        }
    }
}

async fn addresses(origin: &Origin) -> BTreeSet<SocketAddr> {
    match tokio::net::lookup_host((origin.host.as_str(), origin.port)).await {
        Ok(found) => found.collect(),
        Err(error) => {
            tracing::debug!(host = origin.host, %error, "the name gives no address");
            BTreeSet::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(origins: &str) -> Members {
        Members::new(origins.parse().expect("valid"))
    }

    fn names(members: &Members) -> Vec<String> {
        members.now().1.iter().map(ToString::to_string).collect()
    }

    fn set(addresses: &[&str]) -> BTreeSet<SocketAddr> {
        addresses
            .iter()
            .map(|address| address.parse().unwrap())
            .collect()
    }

    #[test]
    fn each_address_of_a_name_is_a_backend_that_stays_while_it_is_named() {
        let members = members("http://x:1,http://10.0.0.9:9");
        assert_eq!(names(&members), ["x:1", "10.0.0.9:9"]);
        let fixed = set(&["10.0.0.9:9"]);
        members.become_those_at(&[set(&["10.0.0.1:1"]), fixed.clone()]);
        assert_eq!(names(&members), ["x:1 (10.0.0.1:1)", "10.0.0.9:9"]);
        let (generation, before) = members.now();

        members.become_those_at(&[set(&["10.0.0.2:1", "10.0.0.1:1"]), fixed.clone()]);
        let (next, both) = members.now();
        assert_eq!(
            names(&members),
            ["x:1 (10.0.0.1:1)", "x:1 (10.0.0.2:1)", "10.0.0.9:9"]
        );
        assert!(Arc::ptr_eq(&both[0], &before[0]) && next > generation);

        // Found again, or not found at all: nothing changes.
        members.become_those_at(&[set(&["10.0.0.1:1", "10.0.0.2:1"]), fixed.clone()]);
        members.become_those_at(&[BTreeSet::new(), fixed.clone()]);
        assert_eq!(members.generation(), next);
        members.become_those_at(&[set(&["10.0.0.2:1"]), fixed]);
        assert_eq!(names(&members), ["x:1 (10.0.0.2:1)", "10.0.0.9:9"]);
    }

    #[test]
    fn at_most_half_of_the_backends_are_left_out() {
        let members = members("http://10.0.0.1:1,http://10.0.0.2:1,http://10.0.0.3:1");
        let (_, backends) = members.now();
        backends
            .iter()
            .for_each(|backend| members.note_hanging(backend));
        let hanging: Vec<_> = backends.iter().map(|backend| backend.hangs()).collect();
        assert_eq!(hanging, [true, false, false]);
        let alone = self::members("http://10.0.0.1:1");
        alone.note_hanging(&alone.now().1[0]);
        assert!(!alone.now().1[0].hangs());
    }
}
