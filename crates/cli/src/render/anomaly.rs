//! Writes anomalies, incidents and silences.

use std::io::{self, Write};

use contract::{
    Anomaly, AnomalyDetail, Incident, IncidentDetail, MatchOp, Matcher, Moment, Silence,
};

use super::{
    count, count_of, short,
    table::{Column, table},
    value,
};
use crate::timestamp::{Clock, to_the_second};

/// Writes an anomaly of a list: a line, and one with the reason.
pub(crate) fn line(out: &mut impl Write, anomaly: &Anomaly) -> io::Result<()> {
    let silenced = if anomaly.silenced { ", silenced" } else { "" };
    writeln!(
        out,
        "{}  {:<8}  {} at {} ({}, {}{silenced})",
        second(anomaly.opened_at),
        anomaly.severity,
        anomaly.series_id,
        Clock::Numbers(0).show(anomaly.start),
        anomaly.kind,
        anomaly.status,
    )?;
    writeln!(out, "    {}", anomaly.reason)?;
    writeln!(out, "    {}", anomaly.anomaly_id)
}

/// Writes an anomaly with all that is known of it.
pub(crate) fn shown(out: &mut impl Write, detail: &AnomalyDetail) -> io::Result<()> {
    let (anomaly, show) = (&detail.anomaly, |at| Clock::Numbers(0).show(at));
    line(out, anomaly)?;
    let times = [anomaly.began, anomaly.end, anomaly.peak].map(show);
    let [began, end, peak] = times;
    writeln!(
        out,
        "  began {began}, last abnormal point {end}, peak {peak}"
    )?;
    if let Some(found) = anomaly.value {
        write!(out, "  value {}", value(found))?;
        if let Some(expected) = anomaly.expected {
            write!(out, ", expected {}", short(expected))?;
        }
        for (limit, word) in [(anomaly.lower, "from"), (anomaly.upper, "up to")] {
            if let Some(limit) = limit {
                write!(out, ", normal {word} {}", short(limit))?;
            }
        }
        writeln!(out)?;
    }
    let alarms = usize::try_from(anomaly.alarms).unwrap_or(usize::MAX);
    write!(
        out,
        "  {}, ratio {}",
        count(alarms, "alarm"),
        short(anomaly.ratio)
    )?;
    if let Some(detector) = anomaly.detector {
        write!(out, ", detector {detector}")?;
    }
    writeln!(out)?;
    if let Some(closed) = anomaly.closed_at {
        writeln!(out, "  closed {}", second(closed))?;
    }
    if let Some(incident) = anomaly.incident_id {
        writeln!(out, "  incident {incident}")?;
    }
    for (name, text) in &anomaly.labels {
        writeln!(out, "  label {name}={text}")?;
    }
    writeln!(
        out,
        "  with {} before it",
        count(detail.context.len(), "point")
    )
}

/// Writes incidents, with headings.
pub(crate) fn incidents(out: &mut impl Write, incidents: &[Incident]) -> io::Result<()> {
    let columns = [
        Column::Left("opened"),
        Column::Left("severity"),
        Column::Left("status"),
        Column::Right("anomalies"),
        Column::Left("group"),
        Column::Left("id"),
    ];
    let row = |incident: &Incident| {
        [
            second(incident.opened_at),
            incident.severity.to_string(),
            incident.status.to_string(),
            incident.count.to_string(),
            incident.group.clone(),
            incident.incident_id.to_string(),
        ]
    };
    let rows: Vec<_> = incidents.iter().map(row).collect();
    table(out, columns, &rows, true)
}

/// Writes an incident and its anomalies.
pub(crate) fn incident(out: &mut impl Write, detail: &IncidentDetail) -> io::Result<()> {
    let incident = &detail.incident;
    writeln!(
        out,
        "{}: {}, {} severity, {} of {} open, since {}",
        incident.group,
        incident.status,
        incident.severity,
        incident.open,
        count_of(
            usize::try_from(incident.count).unwrap_or(usize::MAX),
            "anomaly",
            "anomalies"
        ),
        second(incident.opened_at),
    )?;
    detail
        .anomalies
        .iter()
        .try_for_each(|anomaly| line(out, anomaly))
}

/// Writes a silence.
pub(crate) fn silence(out: &mut impl Write, silence: &Silence) -> io::Result<()> {
    let matchers: Vec<String> = silence.matchers.iter().map(matcher).collect();
    write!(
        out,
        "{}: {}, from {}",
        silence.silence_id,
        matchers.join(" and "),
        second(silence.starts_at)
    )?;
    if let Some(end) = silence.ends_at {
        write!(out, " to {}", second(end))?;
    }
    if !silence.intervals.is_empty() {
        write!(out, ", in {}", count(silence.intervals.len(), "interval"))?;
    }
    match silence.comment.as_str() {
        "" => writeln!(out),
        comment => writeln!(out, " ({comment})"),
    }
}

fn matcher(matcher: &Matcher) -> String {
    let op = match matcher.op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Matches => "=~",
        MatchOp::DoesNotMatch => "!~",
    };
    format!("{}{op}{}", matcher.name, matcher.value)
}

fn second(at: Moment) -> String {
    to_the_second(&at.to_string())
}
