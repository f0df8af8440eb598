//! Streams as bytes.
//!
//! Format 2: the number of the format, the CRC-32 of what follows (little-endian), and the stream in
//! CBOR (RFC 8949). Points are there as bytes, 16 for each.
//!
//! Format 1: a line of JSON about the stream, then the JSON of the session. It is read, and no longer
//! written.

use std::borrow::Cow;

use contract::{Point, SeriesId, StreamCounts, StreamOptions, Version};
use detector::{BadModel, Session};
use serde::{Deserialize, Serialize};

use crate::{
    Stream, anomalies::Open, arrivals::Arrivals, clock::Clock, learner::Learner, points,
    reorder::Reorder,
};

/// The number of the format that is written.
pub const FORMAT: i32 = 2;

/// The first byte of format 2: its number.
const MARK: u8 = 2;

/// The bytes before the CBOR: number and checksum.
const HEAD: usize = 5;

/// Bytes that are no stream that was stored.
#[derive(Debug, thiserror::Error)]
pub enum BadStream {
    /// A newer program wrote them, or they never were a stream.
    #[error("format of the stream is not known")]
    UnknownFormat,
    /// They were changed since they were written.
    #[error("stream does not match its checksum")]
    ChecksumMismatch,
    /// They are not of this format.
    #[error("stream cannot be read")]
    Malformed(#[from] ciborium::de::Error<std::io::Error>),
    /// They are not of format 1.
    #[error("stream of format 1 cannot be read")]
    MalformedText(#[from] serde_json::Error),
    /// The session in them cannot be read.
    #[error("session of the stream cannot be read")]
    Session(#[from] BadModel),
    /// A number in them is one that no stream could have reached.
    #[error("stream has a number that is out of range")]
    OutOfRange,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    series: Cow<'a, SeriesId>,
    options: Cow<'a, StreamOptions>,
    run: u64,
    begun_from: Option<Version>,
    /// The points that it warms up with; absent once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    warming_up: Option<WarmUp>,
    clock: Cow<'a, Clock>,
    arrivals: Cow<'a, Arrivals>,
    reorder: Cow<'a, Reorder>,
    open: Cow<'a, Open>,
    counts: StreamCounts,
    points: u64,
    /// Absent before there are verdicts, and in format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<Cow<'a, Session>>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct WarmUp(#[serde(with = "points")] Vec<Point>);

impl Stream {
    /// The stream as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let stored = Stored {
            series: Cow::Borrowed(&self.series),
            options: Cow::Borrowed(&self.options),
            run: self.run,
            begun_from: self.begun_from,
            warming_up: match &self.learner {
                Learner::Ready(_) => None,
                Learner::WarmingUp { points, .. } => Some(WarmUp(points.clone())),
            },
            clock: Cow::Borrowed(&self.clock),
            arrivals: Cow::Borrowed(&self.arrivals),
            reorder: Cow::Borrowed(&self.reorder),
            open: Cow::Borrowed(&self.open),
            counts: self.counts,
            points: self.points,
            session: self.learner.session().map(Cow::Borrowed),
        };
        let mut bytes = Vec::with_capacity(self.memory_bytes());
        bytes.extend_from_slice(&[0; HEAD]);
        ciborium::into_writer(&stored, &mut bytes).expect("a stream is plain data");
        bytes[0] = MARK;
        let sum = crc32fast::hash(&bytes[HEAD..]);
        bytes[1..HEAD].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the bytes that [`Self::to_bytes`] wrote, in this format or the one before. The stream
    /// goes on with the same verdicts, to the last bit.
    ///
    /// # Errors
    /// [`BadStream`] for any other bytes. They take no more memory than they hold, and a few MiB.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadStream> {
        let stored = match bytes.first() {
            Some(&MARK) => second(bytes)?,
            Some(b'{') => first(bytes)?,
            _ => return Err(BadStream::UnknownFormat),
        };
        let session = stored.session.map(|session| Box::new(session.into_owned()));
        let learner = match (stored.warming_up, session) {
            (None, Some(session)) => Learner::Ready(session),
            (None, None) => return Err(BadStream::OutOfRange),
            (Some(WarmUp(points)), session) => Learner::WarmingUp { points, session },
        };
        let sound =
            stored.clock.is_sound() && stored.arrivals.is_sound() && stored.reorder.is_sound();
        if !sound {
            return Err(BadStream::OutOfRange);
        }
        Ok(Self {
            series: stored.series.into_owned(),
            options: Box::new(stored.options.into_owned()),
            run: stored.run,
            begun_from: stored.begun_from,
            learner,
            clock: stored.clock.into_owned(),
            arrivals: stored.arrivals.into_owned(),
            reorder: stored.reorder.into_owned(),
            open: stored.open.into_owned(),
            counts: stored.counts,
            points: stored.points,
        })
    }
}

/// Reads format 1.
fn first(bytes: &[u8]) -> Result<Stored<'_>, BadStream> {
    let end = bytes.iter().position(|b| *b == b'\n');
    let (head, rest) = bytes.split_at(end.ok_or(BadStream::OutOfRange)?);
    let mut stored: Stored<'_> = serde_json::from_slice(head)?;
    let session = std::str::from_utf8(&rest[1..]).map_err(|_| BadStream::OutOfRange)?;
    if !session.is_empty() {
        stored.session = Some(Cow::Owned(Session::from_json(session)?));
    }
    Ok(stored)
}

/// Reads format 2.
fn second(bytes: &[u8]) -> Result<Stored<'_>, BadStream> {
    let (sum, mut cbor) = bytes[1..]
        .split_first_chunk()
        .ok_or(BadStream::ChecksumMismatch)?;
    // A fuzzer guesses no checksum. What lies behind it must hold without one.
    if crc32fast::hash(cbor) != u32::from_le_bytes(*sum) && !cfg!(fuzzing) {
        return Err(BadStream::ChecksumMismatch);
    }
    let stored = ciborium::from_reader(&mut cbor)?;
    match cbor.is_empty() {
        true => Ok(stored),
        false => Err(BadStream::OutOfRange),
    }
}
