//! Writes text for people.

pub(crate) mod anomaly;
pub(crate) mod columns;
pub(crate) mod detection;
pub(crate) mod health;
pub(crate) mod registry;
pub(crate) mod stream;
mod table;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use contract::{FitReply, Point, PredictReply, VerdictReply};

use crate::{groups::Group, timestamp::Clock};

/// Writes what a fit made: the new version of the series, its detector, the points and the time
/// that it was fitted on, and the version that serves if that is another one.
pub(crate) fn fitted(
    out: &mut impl Write,
    reply: &FitReply,
    points: &[Point],
    clock: Clock,
) -> io::Result<()> {
    write!(
        out,
        "{}: {} fitted by {} on {}",
        reply.series_id,
        reply.version,
        reply.detector,
        match reply.columns.len() {
            0 => count(reply.points_used, "point"),
            columns => format!(
                "{} of {}",
                count(reply.points_used, "row"),
                count(columns, "column")
            ),
        }
    )?;
    let times = points.iter().map(|p| p.timestamp);
    if let (Some(first), Some(last)) = (times.clone().min(), times.max()) {
        write!(out, ", {} – {}", clock.show(first), clock.show(last))?;
    }
    if let Some(serving) = reply.serving {
        write!(out, "; {serving} still serves")?;
    }
    writeln!(out)?;
    warnings(out, &reply.warnings)
}

/// Writes the verdict on `subject`, which names a point.
pub(crate) fn verdict(out: &mut impl Write, subject: &str, reply: &PredictReply) -> io::Result<()> {
    let (verdict, version) = (&reply.verdict, reply.model_version);
    let word = match verdict.anomaly {
        true => format!("an anomaly of {} severity", verdict.severity),
        false => "normal".to_owned(),
    };
    writeln!(out, "{subject} is {word} (model {version})")?;
    writeln!(out, "  {}", verdict.reason)?;
    writeln!(
        out,
        "  {}; p-value {}, score {}, direction {}, detector {}",
        band(verdict),
        short(verdict.p_value),
        short(verdict.score),
        verdict.direction,
        verdict.detector
    )?;
    warnings(out, &reply.warnings)
}

/// The expected value and the normal range.
fn band(verdict: &VerdictReply) -> String {
    let expected = match verdict.expected {
        Some(value) => format!("expected {}", short(value)),
        None => "no expected value".to_owned(),
    };
    match (verdict.lower, verdict.upper) {
        (Some(lower), Some(upper)) => {
            format!(
                "{expected}, normal from {} to {}",
                short(lower),
                short(upper)
            )
        }
        (Some(lower), None) => format!("{expected}, normal from {} up", short(lower)),
        (None, Some(upper)) => format!("{expected}, normal up to {}", short(upper)),
        (None, None) => format!("{expected}, no limits"),
    }
}

pub(crate) fn warnings(out: &mut impl Write, warnings: &[String]) -> io::Result<()> {
    warnings
        .iter()
        .try_for_each(|warning| writeln!(out, "warning: {warning}"))
}

/// Writes a line for a group of anomalies, and a line with the reason for the most severe one.
pub(crate) fn group(out: &mut impl Write, group: &Group, clock: Clock) -> io::Result<()> {
    let time = |point: Point| clock.show(point.timestamp);
    let (points, severity) = (group.points, group.severity);
    let value = value(group.peak.value);
    if points == 1 {
        let first = time(group.first);
        writeln!(
            out,
            "  {first:<41}     1 point   {severity:<8}  value {value}"
        )?;
    } else {
        let span = format!("{} – {}", time(group.first), time(group.last));
        let peak = time(group.peak);
        writeln!(
            out,
            "  {span:<41} {points:>5} points  {severity:<8}  peak {value} at {peak}"
        )?;
    }
    writeln!(out, "      {}", group.reason)
}

/// The counts of a replay.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// The number of points judged.
    pub(crate) judged: usize,
    /// Those of them that are anomalies.
    pub(crate) anomalies: usize,
    /// Groups of anomalies without a normal point in between.
    pub(crate) groups: usize,
    /// Points judged by each version.
    pub(crate) versions: BTreeMap<contract::Version, usize>,
}

/// Writes the counts and rates of a replay that took `elapsed` over `connections`.
pub(crate) fn summary(
    out: &mut impl Write,
    tally: &Tally,
    elapsed: Duration,
    connections: usize,
) -> io::Result<()> {
    let judged = tally.judged as f64;
    writeln!(
        out,
        "{} in {}, out of {} judged ({:.2} %)",
        count_of(tally.anomalies, "anomaly", "anomalies"),
        count(tally.groups, "group"),
        count(tally.judged, "point"),
        100.0 * tally.anomalies as f64 / judged.max(1.0),
    )?;
    writeln!(
        out,
        "{:.2} s, {:.0} requests/s over {}",
        elapsed.as_secs_f64(),
        judged / elapsed.as_secs_f64().max(1e-9),
        count(connections, "connection"),
    )?;
    if tally.versions.len() > 1 {
        let versions: Vec<String> = tally
            .versions
            .iter()
            .map(|(version, points)| format!("{version} {points}"))
            .collect();
        writeln!(
            out,
            "the serving version changed meanwhile; points judged by each version: {}",
            versions.join(", ")
        )?;
    }
    Ok(())
}

/// `1 point`, `2 points`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    count_of(number, noun, &format!("{noun}s"))
}

fn count_of(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `number` to five significant digits, for numbers that were computed.
fn short(number: f64) -> String {
    rounded(number, 5)
}

/// `value` to twelve significant digits: as it was measured, without the last digits of a sum such
/// as 0.1 + 0.2.
pub(crate) fn value(value: f64) -> String {
    rounded(value, 12)
}

fn rounded(number: f64, digits: usize) -> String {
    let text = format!("{number:.*e}", digits - 1);
    let rounded: f64 = text.parse().unwrap_or(number);
    match rounded.abs() {
        0.0 | 1e-3..1e15 => format!("{rounded}"),
        _ => format!("{rounded:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text that `write` writes.
    pub(super) fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_idle_replay_has_no_rate_but_zero() {
        let summary = text(|out| summary(out, &Tally::default(), Duration::ZERO, 1));
        assert!(summary.starts_with("0 anomalies in 0 groups, out of 0 points judged (0.00 %)"));
        assert!(
            summary.ends_with(" 0 requests/s over 1 connection\n"),
            "{summary}"
        );
    }

    #[test]
    fn numbers_are_as_short_as_they_may_be() {
        for (number, text) in [
            (0.0, "0"),
            (12.0, "12"),
            (-0.123456, "-0.12346"),
            (0.1 + 0.2, "0.3"),
            (1e-3, "0.001"),
            (2.12345678e-5, "2.1235e-5"),
            (123456.0, "123460"),
            (1e300, "1e300"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn values_are_as_they_were_measured() {
        for (number, text) in [
            (0.1 + 0.2, "0.3"),
            (0.000_8 + 3e-19, "8e-4"),
            (15_137.572_5, "15137.5725"),
            (-7.0, "-7"),
            (123_456_789.0, "123456789"),
            (1e300, "1e300"),
        ] {
            assert_eq!(value(number), text);
        }
    }
}
