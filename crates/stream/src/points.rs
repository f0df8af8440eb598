//! Points as bytes, for `#[serde(with)]`: 16 for each, its timestamp and its value, little-endian.

use std::{fmt, marker::PhantomData};

use contract::Point;
use serde::{
    Deserializer, Serializer,
    de::{Error, SeqAccess, Visitor},
};

const SIZE: usize = 16;

pub(crate) fn serialize<P, S>(points: &P, serializer: S) -> Result<S::Ok, S::Error>
where
    P: ?Sized,
    for<'a> &'a P: IntoIterator<Item = &'a Point>,
    S: Serializer,
{
    let mut bytes = Vec::new();
    for point in points {
        bytes.extend_from_slice(&point.timestamp.to_le_bytes());
        bytes.extend_from_slice(&point.value.to_le_bytes());
    }
    serializer.serialize_bytes(&bytes)
}

pub(crate) fn deserialize<'de, P, D>(deserializer: D) -> Result<P, D::Error>
where
    P: FromIterator<Point>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(Points(PhantomData))
}

/// Reads bytes, or a list of points as text formats have it.
struct Points<P>(PhantomData<P>);

impl<'de, P: FromIterator<Point>> Visitor<'de> for Points<P> {
    type Value = P;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("points")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<P, E> {
        let points = bytes.chunks_exact(SIZE);
        if !points.remainder().is_empty() {
            return Err(E::custom("points end inside one"));
        }
        let number = |bytes: &[u8]| bytes.first_chunk().copied().unwrap_or_default();
        Ok(points
            .map(|bytes| Point {
                timestamp: i64::from_le_bytes(number(bytes)),
                value: f64::from_le_bytes(number(&bytes[SIZE / 2..])),
            })
            .collect())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<P, A::Error> {
        std::iter::from_fn(|| list.next_element().transpose()).collect()
    }
}
