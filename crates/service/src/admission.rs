//! Limits the memory of requests with big bodies in progress. A request beyond the limit is refused;
//! none is queued.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use contract::ProblemCode;
use http_server::{Fallible, ProblemReply, read_charged};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most requests in progress at once.
const MAX_REQUESTS: usize = 256;

/// The most numbers in a body: four million points. A body of short ones may have many times as many
/// as a usual one of its length, and it is numbers that take memory.
const MAX_NUMBERS: usize = 8_000_000;

/// Memory is counted in units of this size, so that any amount fits a semaphore.
const UNIT: usize = 1024;

/// Admits requests by their number and by the memory that they take.
pub struct Admission {
    slots: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    /// All units of memory.
    units: u32,
    /// The memory that each number of a body takes besides its text, in bytes.
    per_number: usize,
}

/// The right of a request to be in progress, until it is dropped.
pub struct Admitted {
    _slot: OwnedSemaphorePermit,
    _memory: Charge,
}

/// A share of the memory. It grows as a body arrives.
struct Charge {
    of: Arc<Semaphore>,
    most: u32,
    held: Option<OwnedSemaphorePermit>,
    numbers: usize,
    bytes: usize,
    per_number: usize,
}

impl Admission {
    /// Admits requests that take `memory` bytes together, but always a single one, whose body may
    /// have `max_body_bytes`. Each number of a body takes `per_number` bytes besides its text.
    pub fn new(memory: usize, max_body_bytes: usize, per_number: usize) -> Self {
        let units = units(memory.max(max_body_bytes)).min(MAX_UNITS);
        Self {
            slots: Arc::new(Semaphore::new(MAX_REQUESTS)),
            memory: Arc::new(Semaphore::new(units as usize)),
            units,
            per_number,
        }
    }

    /// Reads `body`, of at most `limit` bytes, and charges what it takes as it arrives. `None` when
    /// too much is in progress.
    ///
    /// # Errors
    /// As [`read_body`](http_server::read_body); 413 also for too many numbers.
    pub async fn read(&self, body: Body, limit: usize) -> Fallible<Option<(Admitted, Bytes)>> {
        let mut charge = Charge {
            of: Arc::clone(&self.memory),
            most: self.units,
            held: None,
            numbers: 0,
            bytes: 0,
            per_number: self.per_number,
        };
        let (mut refused, mut seen) = (false, 0);
        let reading = read_charged(body, limit, |piece| {
            seen += piece.len();
            match charge.add(piece) {
                Ok(true) => Ok(()),
                Ok(false) => {
                    refused = true;
                    Err(ProblemReply::overloaded())
                }
                Err(problem) => Err(problem),
            }
        });
        let body = match reading.await {
            Err(_) if refused => return Ok(None),
            body => body?,
        };
        // A body that came as one is not charged yet.
        if seen == 0 && !charge.add(&body)? {
            return Ok(None);
        }
        // Only now: one that never arrives takes no slot.
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        Ok(slot.map(|slot| {
            let admitted = Admitted {
                _slot: slot,
                _memory: charge,
            };
            (admitted, body)
        }))
    }
}

impl Charge {
    /// Adds `piece` of a body. `false` if there is no room for it.
    ///
    /// # Errors
    /// 413 for too many numbers.
    fn add(&mut self, piece: &[u8]) -> Fallible<bool> {
        self.bytes += piece.len();
        // Each number but the last of a list has a comma behind it.
        self.numbers += piece.iter().filter(|byte| **byte == b',').count();
        if self.numbers > MAX_NUMBERS {
            let detail = format!("Request body has more than {MAX_NUMBERS} numbers");
            return Err(ProblemReply::new(ProblemCode::BodyTooLarge, detail));
        }
        let cost = self
            .bytes
            .saturating_add(self.numbers.saturating_mul(self.per_number));
        let wanted = units(cost).min(self.most);
        let held = self
            .held
            .as_ref()
            .map_or(0, |held| held.num_permits() as u32);
        let more = wanted.saturating_sub(held);
        let Ok(more) = Arc::clone(&self.of).try_acquire_many_owned(more) else {
            return Ok(false);
        };
        match &mut self.held {
            Some(held) => held.merge(more),
            held => *held = Some(more),
        }
        Ok(true)
    }
}

/// The most units that a semaphore takes.
const MAX_UNITS: u32 = u32::MAX >> 3;

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn admit(admission: &Admission, body: &str) -> Option<Admitted> {
        let read = admission.read(Body::from(body.to_owned()), 1 << 30).await;
        read.ok()?.map(|(admitted, _)| admitted)
    }

    #[tokio::test]
    async fn what_does_not_fit_is_refused_until_there_is_room() {
        let admission = Admission::new(100 * 1024, 60 * 1024, 0);
        let big = "x".repeat(60 * 1024);
        let first = admit(&admission, &big).await.unwrap();
        assert!(admit(&admission, &big).await.is_none());
        let _second = admit(&admission, &big[..40 * 1024]).await.unwrap();
        drop(first);
        assert!(admit(&admission, &big).await.is_some());
    }

    #[tokio::test]
    async fn only_what_has_arrived_is_charged() {
        let admission = Arc::new(Admission::new(100 * 1024, 60 * 1024, 0));
        let (piece, pieces) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
        let body = Body::from_stream(futures_util::stream::unfold(pieces, async |mut pieces| {
            Some((pieces.recv().await?, pieces))
        }));
        let reader = Arc::clone(&admission);
        let reading = crate::task::spawn("reads", async move { reader.read(body, 1 << 20).await });
        piece
            .send(Ok(Bytes::from(vec![b'x'; 50 * 1024])))
            .await
            .unwrap();
        piece.send(Ok(Bytes::from_static(b"x"))).await.unwrap();
        piece.reserve().await.unwrap();
        // Both pieces have been taken: there is room for the rest, and no more.
        assert!(admit(&admission, &"x".repeat(52 * 1024)).await.is_none());
        assert!(admit(&admission, &"x".repeat(48 * 1024)).await.is_some());
        drop(piece);
        let read = reading.await.unwrap().unwrap();
        let (_admitted, body) = read.ok().flatten().unwrap();
        assert_eq!(body.len(), 50 * 1024 + 1);
    }

    #[tokio::test]
    async fn numbers_are_charged_and_limited() {
        let admission = Admission::new(100 * 1024, 1024, 1024);
        let few = "1,".repeat(60);
        let _first = admit(&admission, &few).await.unwrap();
        assert!(admit(&admission, &few).await.is_none());
        let many = Admission::new(100 << 20, 1024, 1);
        assert!(admit(&many, &"1,".repeat(MAX_NUMBERS)).await.is_some());
        let refused = many
            .read(Body::from("1,".repeat(MAX_NUMBERS + 1)), 1 << 30)
            .await;
        assert_eq!(refused.err().unwrap().code, ProblemCode::BodyTooLarge);
    }

    #[tokio::test]
    async fn the_number_is_bounded_too_and_a_large_body_is_never_locked_out() {
        let admission = Admission::new(1024, 1 << 20, 1 << 20);
        drop(admit(&admission, &"1,".repeat(1 << 20)).await.unwrap());
        let mut requests = Vec::new();
        for _ in 0..MAX_REQUESTS {
            requests.push(admit(&admission, "").await.unwrap());
        }
        assert!(admit(&admission, "").await.is_none());
        drop(requests);
        assert!(admit(&admission, "").await.is_some());
    }
}
