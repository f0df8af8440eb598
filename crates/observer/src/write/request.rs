//! The body of remote write 1.0: `prometheus.WriteRequest` in a block of Snappy.

use contract::Point;

use super::wire::{Fields, Malformed, Value};
use crate::error::Error;

/// The longest body once it is unpacked, in bytes.
const MAX_UNPACKED: usize = 64 << 20;

/// The most samples of a body: Prometheus sends 2,000.
const MAX_SAMPLES: usize = 500_000;

/// The bits of the value that says that a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A series with its samples.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TimeSeries<'a> {
    /// The labels, in the order in which they were sent.
    pub(super) labels: Vec<(&'a str, &'a str)>,
    /// The finite samples.
    pub(super) points: Vec<Point>,
    /// Whether the last sample says that the series has ended.
    pub(super) is_stale: bool,
    /// Samples that say so.
    pub(super) stale: u64,
    /// Samples that are not finite otherwise.
    pub(super) skipped: u64,
}

/// Unpacks `body`. Its length is looked at first.
///
/// # Errors
/// When it is not Snappy, or would be too long.
pub(super) fn unpack(body: &[u8]) -> Result<Vec<u8>, Error> {
    let fault = |why: snap::Error| Error::BadBody(format!("it is not a block of Snappy: {why}"));
    let length = snap::raw::decompress_len(body).map_err(fault)?;
    if length > MAX_UNPACKED {
        return Err(Error::TooLarge(format!("{MAX_UNPACKED} bytes unpacked")));
    }
    snap::raw::Decoder::new()
        .decompress_vec(body)
        .map_err(fault)
}

/// The series in `message`. Metadata, exemplars and native histograms are passed over.
///
/// # Errors
/// When it is not a `WriteRequest`, or has too many samples.
pub(super) fn read(message: &[u8]) -> Result<Vec<TimeSeries<'_>>, Error> {
    let malformed = |why: Malformed| Error::BadBody(why.to_string());
    let (mut all, mut samples) = (Vec::new(), 0);
    for field in Fields(message) {
        if let (1, Value::Bytes(series)) = field.map_err(malformed)? {
            let series = time_series(series, &mut samples).map_err(malformed)?;
            if samples > MAX_SAMPLES {
                return Err(Error::TooLarge(format!("{MAX_SAMPLES} samples")));
            }
            if !series.points.is_empty() || series.stale + series.skipped > 0 {
                all.push(series);
            }
        }
    }
    Ok(all)
}

/// A series, and counts its samples. One with too many has only some of them.
fn time_series<'a>(message: &'a [u8], samples: &mut usize) -> Result<TimeSeries<'a>, Malformed> {
    let mut series = TimeSeries::default();
    for field in Fields(message) {
        match field? {
            (1, Value::Bytes(label)) => series.labels.push(self::label(label)?),
            (2, Value::Bytes(sample)) => {
                *samples += 1;
                if *samples > MAX_SAMPLES {
                    break;
                }
                series.add(self::sample(sample)?);
            }
            _ => {}
        }
    }
    Ok(series)
}

impl TimeSeries<'_> {
    fn add(&mut self, sample: Point) {
        self.is_stale = sample.value.to_bits() == STALE;
        match sample.value {
            _ if self.is_stale => self.stale += 1,
            value if value.is_finite() => self.points.push(sample),
            _ => self.skipped += 1,
        }
    }
}

fn label(message: &[u8]) -> Result<(&str, &str), Malformed> {
    let (mut name, mut value) = ("", "");
    for field in Fields(message) {
        match field? {
            (1, Value::Bytes(text)) => name = str::from_utf8(text).map_err(|_| Malformed)?,
            (2, Value::Bytes(text)) => value = str::from_utf8(text).map_err(|_| Malformed)?,
            _ => {}
        }
    }
    Ok((name, value))
}

/// A sample; what it does not name is zero.
fn sample(message: &[u8]) -> Result<Point, Malformed> {
    let (mut timestamp, mut value) = (0, 0.0);
    for field in Fields(message) {
        match field? {
            (1, Value::Fixed64(bits)) => value = f64::from_bits(bits),
            (2, Value::Varint(number)) => timestamp = number.cast_signed(),
            _ => {}
        }
    }
    Ok(Point { timestamp, value })
}
