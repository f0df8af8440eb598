//! Streams as bytes: a line of JSON about the stream, then the session.

use contract::{Point, SeriesId, StreamCounts, StreamOptions, Version};
use detector::{BadModel, Session};
use serde::{Deserialize, Serialize};

use crate::{
    Stream, anomalies::Open, arrivals::Arrivals, clock::Clock, learner::Learner, reorder::Reorder,
};

/// The number of the format that is written.
pub const FORMAT: i32 = 1;

/// Bytes that are no stream that was stored.
#[derive(Debug, thiserror::Error)]
pub enum BadStream {
    /// They are not of this format.
    #[error("stream cannot be read")]
    Malformed(#[from] serde_json::Error),
    /// The session in them cannot be read.
    #[error("session of the stream cannot be read")]
    Session(#[from] BadModel),
    /// A number in them is one that no stream could have reached.
    #[error("stream has a number that is out of range")]
    OutOfRange,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    series: SeriesId,
    options: StreamOptions,
    run: u64,
    begun_from: Option<Version>,
    /// The points that it warms up with; absent once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warming_up: Option<Vec<(i64, f64)>>,
    clock: Clock,
    arrivals: Arrivals,
    reorder: Reorder,
    open: Open,
    counts: StreamCounts,
    points: u64,
}

impl Stream {
    /// The stream as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let warming_up = match &self.learner {
            Learner::Ready(_) => None,
            Learner::WarmingUp { points, .. } => {
                Some(points.iter().map(|p| (p.timestamp, p.value)).collect())
            }
        };
        let stored = Stored {
            series: self.series.clone(),
            options: (*self.options).clone(),
            run: self.run,
            begun_from: self.begun_from,
            warming_up,
            clock: self.clock.clone(),
            arrivals: self.arrivals.clone(),
            reorder: self.reorder.clone(),
            open: self.open.clone(),
            counts: self.counts,
            points: self.points,
        };
        let mut bytes = serde_json::to_vec(&stored).expect("texts and numbers are always JSON");
        bytes.push(b'\n');
        if let Some(session) = self.learner.session() {
            bytes.extend_from_slice(session.to_json().as_bytes());
        }
        bytes
    }

    /// Reads the bytes that [`Self::to_bytes`] wrote. The stream goes on with the same verdicts, to
    /// the last bit.
    ///
    /// # Errors
    /// [`BadStream`] for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadStream> {
        let end = bytes.iter().position(|b| *b == b'\n');
        let (head, rest) = bytes.split_at(end.ok_or(BadStream::OutOfRange)?);
        let stored: Stored = serde_json::from_slice(head)?;
        let session = std::str::from_utf8(&rest[1..]).map_err(|_| BadStream::OutOfRange)?;
        let session = match session {
            "" => None,
            json => Some(Box::new(Session::from_json(json)?)),
        };
        let learner = match (stored.warming_up, session) {
            (None, Some(session)) => Learner::Ready(session),
            (None, None) => return Err(BadStream::OutOfRange),
            (Some(points), session) => Learner::WarmingUp {
                points: points
                    .into_iter()
                    .map(|(timestamp, value)| Point { timestamp, value })
                    .collect(),
                session,
            },
        };
        let sound =
            stored.clock.is_sound() && stored.arrivals.is_sound() && stored.reorder.is_sound();
        if !sound {
            return Err(BadStream::OutOfRange);
        }
        Ok(Self {
            series: stored.series,
            options: Box::new(stored.options),
            run: stored.run,
            begun_from: stored.begun_from,
            learner,
            clock: stored.clock,
            arrivals: stored.arrivals,
            reorder: stored.reorder,
            open: stored.open,
            counts: stored.counts,
            points: stored.points,
        })
    }
}
