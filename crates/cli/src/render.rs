//! What a person reads.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    time::Duration,
};

use contract::{FitReply, HealthReply, Point, PredictReply, SeriesId, Status};

use crate::{episode::Episode, timestamp::Clock};

/// Series listed in the table of a health check.
const BUSIEST: usize = 10;

/// What a fit made: the series, its new version, how many points, and from when to when.
pub(crate) fn fitted(
    out: &mut impl Write,
    reply: &FitReply,
    points: &[Point],
    clock: Clock,
) -> io::Result<()> {
    write!(
        out,
        "{}: {} fitted on {}",
        reply.series_id,
        reply.version,
        count(reply.points_used, "point")
    )?;
    let times = points.iter().map(|p| p.timestamp);
    if let (Some(first), Some(last)) = (times.clone().min(), times.max()) {
        write!(out, ", {} – {}", clock.show(first), clock.show(last))?;
    }
    writeln!(out)?;
    warnings(out, &reply.warnings)
}

/// The verdict on one point.
pub(crate) fn verdict(
    out: &mut impl Write,
    series: &SeriesId,
    value: f64,
    time: &str,
    reply: &PredictReply,
) -> io::Result<()> {
    let word = if reply.verdict.anomaly {
        "ANOMALY"
    } else {
        "normal"
    };
    let version = reply.model_version;
    writeln!(
        out,
        "{series}: {value} at {time} is {word} to model {version}"
    )?;
    warnings(out, &reply.warnings)
}

fn warnings(out: &mut impl Write, warnings: &[String]) -> io::Result<()> {
    warnings
        .iter()
        .try_for_each(|warning| writeln!(out, "warning: {warning}"))
}

/// One line for anomalies in a row.
pub(crate) fn episode(out: &mut impl Write, episode: &Episode, clock: Clock) -> io::Result<()> {
    let time = |point: Point| clock.show(point.timestamp);
    let value = episode.peak.value;
    if episode.points == 1 {
        let first = time(episode.first);
        return writeln!(out, "  {first:<41}     1 point   value {value}");
    }
    let span = format!("{} – {}", time(episode.first), time(episode.last));
    let (points, peak) = (episode.points, time(episode.peak));
    writeln!(
        out,
        "  {span:<41} {points:>5} points  peak {value} at {peak}"
    )
}

/// What a replay came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Points judged.
    pub(crate) judged: usize,
    /// Those of them that are anomalies.
    pub(crate) anomalies: usize,
    /// Runs of anomalies without a normal point in between.
    pub(crate) episodes: usize,
    /// Points judged by each version, by its number.
    pub(crate) versions: BTreeMap<contract::Version, usize>,
}

/// The counts and rates of a replay that took `elapsed` over `connections`.
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
        count(tally.episodes, "episode"),
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
            "the series was fitted anew meanwhile; points judged by version: {}",
            versions.join(", ")
        )?;
    }
    Ok(())
}

/// The figures of the platform as a table.
pub(crate) fn health(out: &mut impl Write, health: &HealthReply) -> io::Result<()> {
    let status = match health.status {
        Status::Ok => "ok",
        Status::Degraded => "degraded: the last known figures",
    };
    writeln!(out, "status          {status}")?;
    writeln!(out, "series trained  {}", health.series_trained)?;
    writeln!(out)?;
    writeln!(out, "{:<24}{:>12}{:>12}", "", "trainer", "predictor")?;
    let (fits, predictions) = (&health.training_latency_ms, &health.inference_latency_ms);
    let rates = &health.throughput;
    let (trainer, predictor) = (
        &health.system_metrics.trainer,
        &health.system_metrics.predictor,
    );
    let rows = [
        ("latency avg, ms", fits.avg, predictions.avg),
        ("latency p95, ms", fits.p95, predictions.p95),
        (
            "requests a minute",
            rates.trainer.avg_per_minute,
            rates.predictor.avg_per_minute,
        ),
        ("CPU, %", trainer.cpu_percent, predictor.cpu_percent),
        (
            "memory, %",
            trainer.memory_percent,
            predictor.memory_percent,
        ),
        ("load, 1 minute", trainer.load_avg[0], predictor.load_avg[0]),
        (
            "load, 5 minutes",
            trainer.load_avg[1],
            predictor.load_avg[1],
        ),
        (
            "load, 15 minutes",
            trainer.load_avg[2],
            predictor.load_avg[2],
        ),
    ];
    for (name, trainer, predictor) in rows {
        writeln!(out, "{name:<24}{trainer:>12.2}{predictor:>12.2}")?;
    }
    usage(out, &health.model_usage)
}

fn usage(out: &mut impl Write, usage: &BTreeMap<String, String>) -> io::Result<()> {
    if usage.is_empty() {
        return Ok(());
    }
    let mut busiest: Vec<(u64, &str)> = usage
        .iter()
        .map(|(series, count)| (count.parse().unwrap_or(0), series.as_str()))
        .collect();
    busiest.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    writeln!(out, "\npredictions by series")?;
    let shown = &busiest[..busiest.len().min(BUSIEST)];
    // Wide enough for the longest id, and for the columns above where ids are short.
    let longest = shown.iter().map(|(_, series)| series.chars().count());
    let width = longest.max().unwrap_or(0).max(28);
    for (count, series) in shown {
        writeln!(out, "  {series:<width$}{count:>18}")?;
    }
    match busiest.len().saturating_sub(BUSIEST) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more series"),
    }
}

/// `1 point`, `2 points`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    count_of(number, noun, &format!("{noun}s"))
}

fn count_of(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_busiest_series_come_first_and_by_number_not_by_letters() {
        let mut usage: BTreeMap<String, String> = (0..11)
            .map(|i| (format!("idle_{i:02}"), "1".to_owned()))
            .collect();
        usage.insert("nine".into(), "9".into());
        usage.insert("ten".into(), "10".into());
        let table = text(|out| super::usage(out, &usage));
        let series: Vec<&str> = table
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(series[..4], ["predictions", "ten", "nine", "idle_00"]);
        assert!(table.ends_with("and 3 more series\n"), "{table}");
    }

    #[test]
    fn an_idle_replay_has_no_rate_but_zero() {
        let summary = text(|out| summary(out, &Tally::default(), Duration::ZERO, 1));
        assert!(summary.starts_with("0 anomalies in 0 episodes, out of 0 points judged (0.00 %)"));
        assert!(
            summary.ends_with(" 0 requests/s over 1 connection\n"),
            "{summary}"
        );
    }
}
