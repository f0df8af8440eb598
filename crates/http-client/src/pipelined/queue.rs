//! The requests on a pipelined connection, in the order in which they are sent. A reply belongs to
//! the first request without one.

use std::{
    collections::VecDeque,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use super::PipelinedResult;

/// The position of a request in the queue, held by the one that waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(u64);

/// Requests without a reply, and replies that are not taken yet.
#[derive(Default)]
pub(super) struct Queue {
    /// The number of the first entry; numbers go up by one.
    first: u64,
    entries: VecDeque<Entry>,
    /// How many entries in front have their reply.
    answered: usize,
}

/// The state of a request.
enum Entry {
    Waiting(Timing, Option<Waker>),
    /// Nobody waits for it any more, but its reply will still come.
    Abandoned(Timing),
    Answered(PipelinedResult),
    Taken,
}

/// When a request was made, and how long its reply may take.
#[derive(Clone, Copy)]
pub(super) struct Timing {
    pub(super) at: Instant,
    pub(super) timeout: Duration,
}

impl Timing {
    /// When its timeout is over.
    pub(super) fn deadline(&self) -> Instant {
        self.at + self.timeout
    }
}

impl Queue {
    /// Adds a request at the end.
    pub(super) fn push(&mut self, asked: Timing) -> Slot {
        self.entries.push_back(Entry::Waiting(asked, None));
        Slot(self.first + self.entries.len() as u64 - 1)
    }

    /// How many requests have no reply.
    pub(super) fn waiting(&self) -> usize {
        self.entries.len() - self.answered
    }

    /// The first request without a reply.
    pub(super) fn next(&self) -> Option<Timing> {
        match self.entries.get(self.answered)? {
            Entry::Waiting(asked, _) | Entry::Abandoned(asked) => Some(*asked),
            Entry::Answered(_) | Entry::Taken => None,
        }
    }

    /// Gives the first request without a reply this `outcome`, and returns the waker of the one
    /// that waits for it. If there is no such request, `outcome` is dropped.
    pub(super) fn answer(&mut self, outcome: PipelinedResult) -> Option<Waker> {
        let entry = self.entries.get_mut(self.answered)?;
        self.answered += 1;
        match std::mem::replace(entry, Entry::Taken) {
            Entry::Waiting(_, waker) => {
                *entry = Entry::Answered(outcome);
                waker
            }
            _ => {
                self.trim();
                None
            }
        }
    }

    /// The reply of `slot`, once. Until it comes, `waker` is remembered.
    pub(super) fn poll(&mut self, slot: Slot, waker: &Waker) -> Poll<PipelinedResult> {
        let entry = self.entry(slot);
        match entry {
            Entry::Waiting(_, Some(known)) if known.will_wake(waker) => Poll::Pending,
            Entry::Waiting(_, known) => {
                *known = Some(waker.clone());
                Poll::Pending
            }
            _ => match std::mem::replace(entry, Entry::Taken) {
                Entry::Answered(outcome) => {
                    self.trim();
                    Poll::Ready(outcome)
                }
                _ => unreachable!("a slot is used until its reply is taken"),
            },
        }
    }

    /// Notes that nobody waits for the reply of `slot` any more. The caller drops the returned
    /// value outside of any lock.
    pub(super) fn abandon(&mut self, slot: Slot) -> impl Sized + use<> {
        let entry = self.entry(slot);
        let left = match entry {
            Entry::Waiting(asked, _) => Entry::Abandoned(*asked),
            _ => Entry::Taken,
        };
        let before = std::mem::replace(entry, left);
        self.trim();
        before
    }

    fn entry(&mut self, slot: Slot) -> &mut Entry {
        // Entries are removed from the front only, and only once their slots are used up.
        #[expect(clippy::cast_possible_truncation, reason = "an index into memory")]
        let index = (slot.0 - self.first) as usize;
        &mut self.entries[index]
    }

    /// Removes entries in front that are no longer needed.
    fn trim(&mut self) {
        while let Some(Entry::Taken) = self.entries.front() {
            self.entries.pop_front();
            self.first += 1;
            self.answered -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Wake};

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::pipelined::Failure;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    fn asked() -> Timing {
        Timing {
            at: Instant::now(),
            timeout: Duration::from_secs(1),
        }
    }

    /// A reply that can be told from others.
    fn numbered(number: u64) -> PipelinedResult {
        Err(Failure::Lost {
            error: std::io::Error::other(number.to_string()),
            stale: true,
        })
    }

    fn number(outcome: PipelinedResult) -> u64 {
        match outcome {
            Err(Failure::Lost { error, .. }) => error.to_string().parse().unwrap(),
            _ => panic!("was never put in"),
        }
    }

    proptest! {
        #[test]
        fn everyone_gets_their_own_reply_whoever_leaves_and_in_whatever_order_they_look(
            steps in vec((0_u8..4, any::<prop::sample::Index>()), 0..200),
        ) {
            let waker = Waker::from(Arc::new(Nobody));
            let mut queue = Queue::default();
            // Tickets in use by the numbers of their requests.
            let mut slots: Vec<(u64, Slot)> = Vec::new();
            let (mut asked_so_far, mut answered) = (0, 0);
            for (step, which) in steps {
                match step {
                    0 => {
                        slots.push((asked_so_far, queue.push(asked())));
                        asked_so_far += 1;
                    }
                    1 => {
                        queue.answer(numbered(answered));
                        answered = (answered + 1).min(asked_so_far);
                    }
                    _ if slots.is_empty() => {}
                    2 => {
                        let (_, slot) = slots.remove(which.index(slots.len()));
                        queue.abandon(slot);
                    }
                    _ => {
                        let index = which.index(slots.len());
                        let (request, slot) = slots[index];
                        match queue.poll(slot, &waker) {
                            Poll::Pending => prop_assert!(request >= answered),
                            Poll::Ready(outcome) => {
                                prop_assert_eq!(number(outcome), request);
                                slots.remove(index);
                            }
                        }
                    }
                }
                prop_assert_eq!(queue.waiting() as u64, asked_so_far - answered);
                prop_assert_eq!(queue.next().is_some(), asked_so_far > answered);
            }
            while queue.waiting() > 0 {
                queue.answer(numbered(answered));
                answered += 1;
            }
            for (_, slot) in slots {
                queue.abandon(slot);
            }
            prop_assert!(queue.entries.is_empty());
        }
    }
}
