//! Points of streams, kept for people to look at: in blocks, which grow with every commit until the
//! observer begins a new one.
//!
//! A replay may write points a second time, in other blocks. Readers go by rising timestamps.

use std::collections::BTreeMap;

use contract::{LearnedPoint, Moment, SeriesId};
use futures_util::{FutureExt, future::BoxFuture};

use super::{PartitionCommit, bulk::Bulk};
use crate::{
    Store, StoreError,
    columns::unreadable,
    registry::connection::{Connection, Value},
};

/// Points that are added to a block.
#[derive(Clone, Debug, PartialEq)]
pub struct PointBlock {
    /// The series.
    pub series_id: SeriesId,
    /// The timestamp of the first point of the block, which names it.
    pub first: i64,
    /// When the last of the points arrived.
    pub at: Moment,
    /// The points, at least one.
    pub points: Vec<LearnedPoint>,
}

/// How many points of a range are kept, and from when to when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointExtent {
    /// The number of points of the blocks that have any in the range; more than the range has where
    /// it begins or ends within a block.
    pub points: i64,
    /// The timestamp of their first point.
    pub first: i64,
    /// The timestamp of their last point.
    pub last: i64,
}

/// The points of a block, with the timestamp that names it.
pub type NamedBlock = (i64, Vec<LearnedPoint>);

/// The bytes of a point: timestamp, value, expected, lower and upper limit, eight each, in
/// little-endian order, and flags. A limit that is not there is NaN.
const POINT: usize = 41;
/// The same for statements.
pub(super) const POINT_BYTES: i64 = POINT as i64;
const ANOMALY: u8 = 1;
const ALARM: u8 = 2;

fn write(points: &[LearnedPoint]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.len() * POINT);
    for point in points {
        bytes.extend_from_slice(&point.timestamp.to_le_bytes());
        let limits = [point.expected, point.lower, point.upper].map(|at| at.unwrap_or(f64::NAN));
        for number in [point.value].iter().chain(&limits) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.push(ANOMALY * u8::from(point.anomaly) + ALARM * u8::from(point.alarm));
    }
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<Vec<LearnedPoint>, StoreError> {
    let (points, rest) = bytes.as_chunks::<POINT>();
    if !rest.is_empty() {
        return Err(unreadable("a block of points is cut".to_owned()));
    }
    let point = |bytes: &[u8; POINT]| {
        let (numbers, flags) = bytes.as_chunks::<8>();
        let real = |n: usize| f64::from_le_bytes(numbers[n]);
        let limit = |n| Some(real(n)).filter(|number| !number.is_nan());
        LearnedPoint {
            timestamp: i64::from_le_bytes(numbers[0]),
            value: real(1),
            expected: limit(2),
            lower: limit(3),
            upper: limit(4),
            anomaly: flags[0] & ANOMALY != 0,
            alarm: flags[0] & ALARM != 0,
        }
    };
    Ok(points.iter().map(point).collect())
}

const APPEND_POSTGRES: &str = "
    ON CONFLICT (series_id, first) DO UPDATE SET last = excluded.last, arrived = excluded.arrived,
        points = stream_points.points || excluded.points";
const APPEND_SQLITE: &str = "
    ON CONFLICT (series_id, first) DO UPDATE SET last = excluded.last, arrived = excluded.arrived,
        points = CAST(stream_points.points || excluded.points AS BLOB)";

/// Adds the points of `commits` to their blocks.
pub(super) async fn store(
    connection: &mut Connection<'_>,
    commits: &[&PartitionCommit],
) -> Result<(), StoreError> {
    let mut blocks: BTreeMap<(&str, i64), (Moment, Vec<LearnedPoint>)> = BTreeMap::new();
    for block in commits.iter().flat_map(|commit| &commit.points) {
        let of = blocks.entry((block.series_id.as_str(), block.first));
        let (at, points) = of.or_insert((block.at, Vec::new()));
        *at = block.at;
        points.extend_from_slice(&block.points);
    }
    let append = match connection {
        Connection::Postgres(_) => APPEND_POSTGRES,
        Connection::Sqlite(_) => APPEND_SQLITE,
    };
    let last = |points: &[LearnedPoint]| points.last().map_or(0, |point| point.timestamp);
    Bulk::of("stream_points")
        .texts("series_id", blocks.keys().map(|(series, _)| *series))
        .numbers("first", blocks.keys().map(|(_, first)| *first))
        .numbers("last", blocks.values().map(|(_, points)| last(points)))
        .numbers("arrived", blocks.values().map(|(at, _)| at.0))
        .bytes("points", blocks.values().map(|(_, points)| write(points)))
        .insert(connection, append)
        .await?;
    Ok(())
}

const EXTENT: &str = "
    SELECT CAST(coalesce(sum(length(points)), 0) AS bigint), coalesce(min(first), 0), coalesce(max(last), 0)
    FROM stream_points WHERE series_id = $1 AND last >= $2 AND first <= $3";

const BLOCKS: &str = "
    SELECT first, points FROM stream_points WHERE series_id = $1 AND last >= $2 AND first <= $3 AND first > $4
    ORDER BY first LIMIT 64";

/// In steps, which hold up nobody for long.
const FORGET: &str = "
    DELETE FROM stream_points WHERE (series_id, first) IN (
        SELECT series_id, first FROM stream_points WHERE arrived < $1 LIMIT 1000
    ) RETURNING series_id";

/// When the newest block arrived that has to go so that `$1` bytes stay.
const EXCESS: &str = "
    SELECT max(arrived) FROM (
        SELECT arrived, sum(length(points)) OVER (ORDER BY arrived DESC, series_id, first) AS kept FROM stream_points
    ) AS blocks WHERE kept > $1";

impl Store {
    /// How many points of `series` are kept with timestamps from `from` to `to`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn point_extent<'a>(
        &'a self,
        series: &'a SeriesId,
        from: i64,
        to: i64,
    ) -> BoxFuture<'a, Result<PointExtent, StoreError>> {
        async move {
            let values: [Value<'_>; 3] = [series.as_str().into(), from.into(), to.into()];
            let rows: Vec<(i64, i64, i64)> = self.select(EXTENT, &values).await?;
            let (bytes, first, last) = rows.first().copied().unwrap_or_default();
            let points = bytes / POINT_BYTES;
            Ok(PointExtent {
                points,
                first,
                last,
            })
        }
        .boxed()
    }

    /// The next blocks of `series` with points from `from` to `to`, after the block that is named
    /// `after`: their names and points. No more than 64; none at the end.
    ///
    /// # Errors
    /// When the database does not answer, or a block cannot be read.
    pub fn point_blocks<'a>(
        &'a self,
        series: &'a SeriesId,
        from: i64,
        to: i64,
        after: i64,
    ) -> BoxFuture<'a, Result<Vec<NamedBlock>, StoreError>> {
        async move {
            let values: [Value<'_>; 4] =
                [series.as_str().into(), from.into(), to.into(), after.into()];
            let rows: Vec<(i64, Vec<u8>)> = self.select(BLOCKS, &values).await?;
            let rows = rows.into_iter();
            rows.map(|(first, points)| Ok((first, read(&points)?)))
                .collect()
        }
        .boxed()
    }

    /// Removes the points of blocks that arrived before `before`, and the oldest ones until all
    /// take no more than `most` bytes. Returns the number of blocks.
    ///
    /// # Errors
    /// When the database does not answer. Some may have been removed.
    pub fn forget_old_points(
        &self,
        before: Moment,
        most: i64,
    ) -> BoxFuture<'_, Result<u64, StoreError>> {
        async move {
            let excess: Vec<(Option<i64>,)> = self.select(EXCESS, &[most.into()]).await?;
            let excess = excess.first().and_then(|(at,)| *at);
            let before = [before.0.max(excess.map_or(i64::MIN, |at| at + 1)).into()];
            let mut forgotten = 0;
            loop {
                let gone: Vec<(String,)> = self
                    .transact(async |connection| Ok(connection.run(FORGET, &before).await?))
                    .await?;
                if gone.is_empty() {
                    return Ok(forgotten);
                }
                forgotten += gone.len() as u64;
            }
        }
        .boxed()
    }
}

/// Removes the points of `series`, a JSON array.
pub(super) async fn remove(
    connection: &mut Connection<'_>,
    series: &str,
) -> Result<(), StoreError> {
    let statement = match connection {
        Connection::Postgres(_) => {
            "DELETE FROM stream_points WHERE series_id = ANY (ARRAY(SELECT json_array_elements_text($1::json)))"
        }
        Connection::Sqlite(_) => {
            "DELETE FROM stream_points WHERE series_id IN (SELECT value FROM json_each($1))"
        }
    };
    connection.run::<()>(statement, &[series.into()]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_come_back_bit_for_bit_and_a_cut_block_is_refused() {
        let point = LearnedPoint {
            timestamp: -7,
            value: 0.1 + 0.2,
            expected: Some(-0.0),
            lower: None,
            upper: Some(f64::MIN_POSITIVE),
            anomaly: true,
            alarm: false,
        };
        let other = LearnedPoint {
            alarm: true,
            expected: None,
            ..point
        };
        let bytes = write(&[point, other]);
        assert_eq!(bytes.len(), 2 * POINT);
        assert_eq!(read(&bytes).unwrap(), [point, other]);
        assert!(read(&bytes[1..]).is_err());
    }
}
