//! Tells which partitions a subscription reads.

use tokio::sync::watch;

/// The partitions that a subscription reads right now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Counts the changes. Whoever sees it rise by more than one has missed that the partitions were
    /// taken away in between, and that reading began anew where the [`OffsetSource`] said.
    ///
    /// [`OffsetSource`]: crate::OffsetSource
    pub generation: u64,
    /// The numbers of the partitions, in their order.
    pub partitions: Vec<i32>,
}

/// Announces the partitions of one subscription.
#[derive(Clone, Debug, Default)]
pub(crate) struct Announcer(watch::Sender<Assigned>);

impl Announcer {
    /// Reading begins in `partitions`.
    pub(crate) fn begin(&self, partitions: impl Iterator<Item = i32>) {
        let mut partitions: Vec<i32> = partitions.collect();
        partitions.sort_unstable();
        self.0.send_if_modified(|assigned| {
            let changed = !(partitions.is_empty() && assigned.partitions.is_empty());
            if changed {
                assigned.generation += 1;
                assigned.partitions = partitions;
            }
            changed
        });
    }

    /// Nothing is read any more.
    pub(crate) fn end(&self) {
        self.begin(std::iter::empty());
    }

    /// The generation of what was announced last.
    pub(crate) fn generation(&self) -> u64 {
        self.0.borrow().generation
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Assigned> {
        self.0.subscribe()
    }
}
