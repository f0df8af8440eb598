//! `anomaly points`: stores points of any series, which are judged soon.

use std::io::Write;

use contract::{AcceptedPoints, Point, SeriesId};
use serde::Serialize;

use super::registry::bytes_of;
use crate::{
    Error, args::PointsArgs, client::Client, csv::FileError, files, progress::Progress,
    render::count,
};

/// The most bytes in a call. The platform takes 16 MiB.
const MAX_BYTES: usize = 4 << 20;

/// A line of the body.
#[derive(Serialize)]
struct Line<'a> {
    series_id: &'a SeriesId,
    timestamp: i64,
    value: f64,
}

/// Carries out `anomaly points`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn points(
    client: &Client,
    args: &PointsArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let lines = match &args.csv {
        Some(series) => lines_of(series, &files::read(&args.file, &args.form)?.points),
        None => bytes_of(&args.file).map_err(|source| FileError::Open {
            path: args.file.display().to_string(),
            source,
        })?,
    };
    let parts = parts(&lines, MAX_BYTES);
    let progress = Progress::steps(
        parts.len(),
        format!("sending {}", count(lines.len(), "byte")),
    );
    let mut accepted = 0;
    let mut first_line = 1;
    for (number, part) in parts.into_iter().enumerate() {
        let sent = client.append_points(part, !args.no_notify, number > 0);
        let reply = sent.map_err(|source| Error::Points { first_line, source })?;
        let AcceptedPoints { accepted: stored } = reply.body;
        accepted += stored;
        first_line += part.iter().filter(|byte| **byte == b'\n').count();
        progress.step();
        if json {
            progress.aside(|| writeln!(out, "{}", reply.line()))?;
        }
    }
    drop(progress);
    match json {
        true => Ok(()),
        false => {
            let accepted = count(usize::try_from(accepted).unwrap_or(usize::MAX), "point");
            Ok(writeln!(out, "{accepted} accepted")?)
        }
    }
}

/// The points of one series as lines of JSON.
fn lines_of(series_id: &SeriesId, points: &[Point]) -> Vec<u8> {
    let mut lines = Vec::new();
    for &Point { timestamp, value } in points {
        let line = Line {
            series_id,
            timestamp,
            value,
        };
        serde_json::to_writer(&mut lines, &line).expect("integers and finite numbers are JSON");
        lines.push(b'\n');
    }
    lines
}

/// `lines` in parts of whole lines, of up to `most` bytes unless a line is longer.
fn parts(mut lines: &[u8], most: usize) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while lines.len() > most {
        let is_end = |byte: &u8| *byte == b'\n';
        let end = lines[..most].iter().rposition(is_end);
        let end = end.or_else(|| lines.iter().position(is_end));
        let (part, rest) = lines.split_at(end.map_or(lines.len(), |end| end + 1));
        parts.push(part);
        lines = rest;
    }
    if !lines.is_empty() || parts.is_empty() {
        parts.push(lines);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_lines() {
        let text = |parts: Vec<&'static [u8]>| -> Vec<&'static str> {
            let text = |part| std::str::from_utf8(part).unwrap();
            parts.into_iter().map(text).collect()
        };
        assert_eq!(text(parts(b"aa\nbb\ncc\n", 6)), ["aa\nbb\n", "cc\n"]);
        assert_eq!(text(parts(b"aa\nbb\ncc", 7)), ["aa\nbb\n", "cc"]);
        assert_eq!(text(parts(b"aaaaaa\nb\n", 3)), ["aaaaaa\n", "b\n"]);
        assert_eq!(text(parts(b"aaaaaa", 3)), ["aaaaaa"]);
        assert_eq!(text(parts(b"a\n", 3)), ["a\n"]);
        assert_eq!(text(parts(b"", 3)), [""]);
    }

    #[test]
    fn a_line_is_what_the_platform_reads() {
        let series = SeriesId::new("a\"b").unwrap();
        let point = |timestamp, value| Point { timestamp, value };
        let lines = lines_of(&series, &[point(1, 2.5), point(2, -0.0)]);
        assert_eq!(
            std::str::from_utf8(&lines).unwrap(),
            "{\"series_id\":\"a\\\"b\",\"timestamp\":1,\"value\":2.5}\n\
             {\"series_id\":\"a\\\"b\",\"timestamp\":2,\"value\":-0.0}\n"
        );
    }
}
