//! Writes the figures of the platform as a table.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use contract::{HealthReply, Status};

/// The most series in the table.
const BUSIEST: usize = 10;

/// Writes the figures of the platform as a table.
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
    // Wide enough for the longest id, and at least as wide as the columns above.
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

#[cfg(test)]
mod tests {
    use crate::render::tests::text;

    use super::*;

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
}
