//! The requests on a lane, in the order in which they were sent. A reply belongs to the first that has none.

use std::{
    collections::VecDeque,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use super::Outcome;

/// The place of a request, for whoever waits for its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// Requests without a reply, and replies that are not taken yet.
#[derive(Default)]
pub(super) struct Queue {
    /// The number of the first place; numbers go up by one.
    first: u64,
    places: VecDeque<Place>,
    /// How many places in front have their reply.
    answered: usize,
}

/// What became of a request.
enum Place {
    Waiting(Asked, Option<Waker>),
    /// Nobody waits any more, but its reply still comes.
    Left(Asked),
    Answered(Outcome),
    Taken,
}

/// When a request was made, and how long its reply may take.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub(super) at: Instant,
    pub(super) patience: Duration,
}

impl Asked {
    /// When its patience is over.
    pub(super) fn deadline(&self) -> Instant {
        self.at + self.patience
    }
}

impl Queue {
    /// A place at the end.
    pub(super) fn push(&mut self, asked: Asked) -> Ticket {
        self.places.push_back(Place::Waiting(asked, None));
        Ticket(self.first + self.places.len() as u64 - 1)
    }

    /// How many have no reply.
    pub(super) fn waiting(&self) -> usize {
        self.places.len() - self.answered
    }

    /// The first that has no reply.
    pub(super) fn next(&self) -> Option<Asked> {
        match self.places.get(self.answered)? {
            Place::Waiting(asked, _) | Place::Left(asked) => Some(*asked),
            Place::Answered(_) | Place::Taken => None,
        }
    }

    /// Gives the first that has no reply this one; returns whom to wake. Without such a one, `outcome` is dropped.
    pub(super) fn answer(&mut self, outcome: Outcome) -> Option<Waker> {
        let place = self.places.get_mut(self.answered)?;
        self.answered += 1;
        match std::mem::replace(place, Place::Taken) {
            Place::Waiting(_, waker) => {
                *place = Place::Answered(outcome);
                waker
            }
            _ => {
                self.trim();
                None
            }
        }
    }

    /// The reply of `ticket`, once; until it is there, `waker` is remembered.
    pub(super) fn poll(&mut self, ticket: Ticket, waker: &Waker) -> Poll<Outcome> {
        let place = self.place(ticket);
        match place {
            Place::Waiting(_, Some(known)) if known.will_wake(waker) => Poll::Pending,
            Place::Waiting(_, known) => {
                *known = Some(waker.clone());
                Poll::Pending
            }
            _ => match std::mem::replace(place, Place::Taken) {
                Place::Answered(outcome) => {
                    self.trim();
                    Poll::Ready(outcome)
                }
                _ => unreachable!("a ticket is used until its reply is taken"),
            },
        }
    }

    /// Nobody waits for the reply of `ticket` any more. What is returned is to be dropped by the caller, outside of any lock.
    pub(super) fn leave(&mut self, ticket: Ticket) -> impl Sized + use<> {
        let place = self.place(ticket);
        let left = match place {
            Place::Waiting(asked, _) => Place::Left(*asked),
            _ => Place::Taken,
        };
        let before = std::mem::replace(place, left);
        self.trim();
        before
    }

    fn place(&mut self, ticket: Ticket) -> &mut Place {
        // Places are removed from the front only, and only once their tickets are used up.
        #[expect(clippy::cast_possible_truncation, reason = "a place in memory")]
        let index = (ticket.0 - self.first) as usize;
        &mut self.places[index]
    }

    /// Removes places that nobody has a use for.
    fn trim(&mut self) {
        while let Some(Place::Taken) = self.places.front() {
            self.places.pop_front();
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
    use crate::lane::Failure;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    fn asked() -> Asked {
        Asked {
            at: Instant::now(),
            patience: Duration::from_secs(1),
        }
    }

    /// A reply that can be told from others.
    fn numbered(number: u64) -> Outcome {
        Err(Failure::Lost {
            error: std::io::Error::other(number.to_string()),
            stale: true,
        })
    }

    fn number(outcome: Outcome) -> u64 {
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
            let mut tickets: Vec<(u64, Ticket)> = Vec::new();
            let (mut asked_so_far, mut answered) = (0, 0);
            for (step, which) in steps {
                match step {
                    0 => {
                        tickets.push((asked_so_far, queue.push(asked())));
                        asked_so_far += 1;
                    }
                    1 => {
                        queue.answer(numbered(answered));
                        answered = (answered + 1).min(asked_so_far);
                    }
                    _ if tickets.is_empty() => {}
                    2 => {
                        let (_, ticket) = tickets.remove(which.index(tickets.len()));
                        queue.leave(ticket);
                    }
                    _ => {
                        let index = which.index(tickets.len());
                        let (request, ticket) = tickets[index];
                        match queue.poll(ticket, &waker) {
                            Poll::Pending => prop_assert!(request >= answered),
                            Poll::Ready(outcome) => {
                                prop_assert_eq!(number(outcome), request);
                                tickets.remove(index);
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
            for (_, ticket) in tickets {
                queue.leave(ticket);
            }
            prop_assert!(queue.places.is_empty());
        }
    }
}
