//! Writes tables of series and models, and the changes of them.

use std::io::{self, Write};

use contract::{
    AliasInfo, ImportReply, ListedSeries, ModelInfo, Revision, SeriesId, SeriesSummary, Version,
};

use super::{
    count,
    table::{Column, table},
};
use crate::timestamp::{Clock, to_the_second};

/// Writes a page of series, with headings if it is the first.
pub(crate) fn series(
    out: &mut impl Write,
    series: &[ListedSeries],
    is_first: bool,
) -> io::Result<()> {
    let columns = [
        Column::Left("series"),
        Column::Right("serves"),
        Column::Right("newest"),
        Column::Right("models"),
        Column::Right("revision"),
        Column::Left("changed"),
        Column::Left("stream"),
    ];
    let version = |version: Option<Version>| version.map(|v| v.to_string()).unwrap_or_default();
    let row = |series: &ListedSeries| {
        let changed_at = series.changed_at.as_deref();
        let stream = series.stream.map_or("", |state| state.as_str());
        [
            series.series_id.to_string(),
            version(series.serving),
            version(series.newest),
            series.models.to_string(),
            series.revision.map(|r| r.to_string()).unwrap_or_default(),
            changed_at.map(to_the_second).unwrap_or_default(),
            stream.to_owned(),
        ]
    };
    let rows: Vec<_> = series.iter().map(row).collect();
    table(out, columns, &rows, is_first)
}

/// Writes a page of models, with headings if it is the first.
pub(crate) fn models(out: &mut impl Write, models: &[ModelInfo], is_first: bool) -> io::Result<()> {
    let columns = [
        Column::Right("version"),
        Column::Left("serves"),
        Column::Left("detector"),
        Column::Right("points"),
        Column::Left("created"),
        Column::Right("fit ms"),
        Column::Right("size"),
        Column::Left("trained on"),
        Column::Left("source"),
        Column::Left("aliases"),
    ];
    let row = |model: &ModelInfo| {
        let clock = Clock::Numbers(0);
        let (first, last) = (model.first_timestamp, model.last_timestamp);
        let aliases: Vec<&str> = model.aliases.iter().map(|alias| alias.as_str()).collect();
        [
            model.version.to_string(),
            if model.serving { "yes" } else { "" }.to_owned(),
            model.detector.to_string(),
            model.points.to_string(),
            to_the_second(&model.created_at),
            format!("{:.1}", model.fit_ms),
            size(model.size_bytes),
            format!("{} – {}", clock.show(first), clock.show(last)),
            model.source.to_string(),
            aliases.join(", "),
        ]
    };
    let rows: Vec<_> = models.iter().map(row).collect();
    table(out, columns, &rows, is_first)
}

/// Writes the version that an alias names, and the one that it named before.
pub(crate) fn alias(
    out: &mut impl Write,
    series: &SeriesId,
    alias: &AliasInfo,
    revision: Option<Revision>,
) -> io::Result<()> {
    write!(out, "{series}: {} is {}", alias.name, alias.version)?;
    if let Some(previous) = alias.previous {
        write!(out, ", was {previous}")?;
    }
    at(out, revision)
}

/// Writes the version that an imported model became.
pub(crate) fn imported(
    out: &mut impl Write,
    reply: &ImportReply,
    revision: Option<Revision>,
) -> io::Result<()> {
    let (series, version) = (&reply.series_id, reply.version);
    write!(
        out,
        "{series}: {version} imported, detector {}",
        reply.detector
    )?;
    at(out, revision)
}

/// Ends a line about a change with the new revision.
fn at(out: &mut impl Write, revision: Option<Revision>) -> io::Result<()> {
    match revision {
        Some(revision) => writeln!(out, " (revision {revision})"),
        None => writeln!(out),
    }
}

/// The question whether to delete a whole series.
pub(crate) fn all_of(series: &SeriesSummary) -> String {
    let models = usize::try_from(series.models).unwrap_or(usize::MAX);
    let models = count(models, "model");
    format!(
        "Delete {} with its {models}, their training points, and its stream if it has one?",
        series.series_id
    )
}

/// The question whether to delete a series that has no models.
pub(crate) fn stream_of(series: &SeriesId) -> String {
    format!("Delete {series} with its stream and the anomalies of it?")
}

/// A number of bytes.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_largest_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (67_108_864, "64.0 MiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
