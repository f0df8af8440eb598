//! The rows of cells in a text.

use std::borrow::Cow;

use csv::StringRecord;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// The bytes at the start that tell how cells are separated.
const SNIFFED: usize = 20_000;
/// The rows that tell it.
const SNIFFED_ROWS: usize = 20;
/// What comes before other separators where as many rows have the same width: cells seldom hold
/// them, but often commas.
const PREFERENCE: f64 = 0.05;
/// The share of rows of the same width from which spaces are separators.
const SPACED: f64 = 0.9;

/// The text in `bytes`: UTF-8 or UTF-16, or else Windows-1252.
pub(crate) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    let encoding = match (Encoding::for_bom(bytes), bytes) {
        (Some((encoding, _)), _) => encoding,
        (None, [_, 0, _, 0, ..]) => UTF_16LE,
        (None, [0, _, 0, _, ..]) => UTF_16BE,
        _ => UTF_8,
    };
    let (text, used, is_damaged) = encoding.decode(bytes);
    match is_damaged && used == UTF_8 {
        true => WINDOWS_1252.decode(bytes).0,
        false => text,
    }
}

/// A text cut into rows and those into cells.
#[derive(Clone, Debug)]
pub(crate) struct Sheet<'a> {
    text: Cow<'a, str>,
    /// What separates cells.
    pub(crate) separator: u8,
    /// The lines before the text.
    before: u64,
}

/// A row with a cell that is not empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) cells: StringRecord,
    /// The line that it begins on, from 1.
    pub(crate) line: u64,
}

impl Row {
    /// The cell at `index` without the space and stray quotes around it; empty if there is none.
    pub(crate) fn cell(&self, index: usize) -> &str {
        let cell = self.cells.get(index).unwrap_or_default().trim();
        cell.trim_matches('"')
    }
}

impl<'a> Sheet<'a> {
    /// `text` in rows. Its own first line `sep=;` may name the separator, or `told` does.
    pub(crate) fn new(text: &'a str, told: Option<u8>) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (named, text) = match named_separator(text) {
            Some((separator, rest)) => (Some(separator), rest),
            None => (None, text),
        };
        let mut text = Cow::Borrowed(text);
        if text.contains('\r') {
            text = text.replace("\r\n", "\n").replace('\r', "\n").into();
        }
        let separator = told.or(named).unwrap_or_else(|| sniff(&text));
        if separator == b' ' {
            text = squeezed(&text).into();
        }
        if !text.ends_with('\n') {
            text.to_mut().push('\n');
        }
        Self {
            text,
            separator,
            before: u64::from(named.is_some()),
        }
    }

    /// The rows, without blank ones and comments.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        rows(&self.text, self.separator).map(|mut row| {
            row.line += self.before;
            row
        })
    }

    /// The line `number`, from 1.
    pub(crate) fn line(&self, number: u64) -> &str {
        let index = usize::try_from(number - self.before - 1).unwrap_or(usize::MAX);
        self.text.lines().nth(index).unwrap_or_default()
    }

    /// The line of a quote that is not closed.
    pub(crate) fn open_quote(&self) -> Option<u64> {
        if !self.text.contains('"') {
            return None;
        }
        // A row of its own, unless it stands within quotes.
        const END: &str = "\u{0}\n";
        let text = [&*self.text, END].concat();
        let last = rows(&text, self.separator).last()?;
        // Its end is that of the text, and not of a line.
        (last.cells.get(0) != Some("\u{0}")).then_some(last.line + 1 + self.before)
    }
}

/// `text` with one space for each run of them, and none around lines.
fn squeezed(text: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    text.lines().map(words).collect()
}

/// The separator that a first line `sep=;` names, and the lines after it.
fn named_separator(text: &str) -> Option<(u8, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let (key, sign) = first.trim_end_matches('\r').split_once('=')?;
    match sign.as_bytes() {
        [sign] if key.eq_ignore_ascii_case("sep") => Some((*sign, rest)),
        _ => None,
    }
}

/// The rows of `text`, every line of which ends in a line feed.
fn rows(text: &str, separator: u8) -> impl Iterator<Item = Row> + '_ {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .delimiter(separator)
        .from_reader(text.as_bytes());
    let mut row = Row::default();
    std::iter::from_fn(move || {
        loop {
            // It is text and in memory, so nothing fails.
            if !reader.read_record(&mut row.cells).unwrap_or(false) {
                return None;
            }
            let breaks: usize = row
                .cells
                .iter()
                .map(|cell| cell.matches('\n').count())
                .sum();
            row.line = reader.position().line() - 1 - breaks as u64;
            if row.cells.iter().any(|cell| !cell.trim().is_empty()) {
                return Some(row.clone());
            }
        }
    })
}

/// The separator that cuts most of the first lines into the same number of cells, at least two.
fn sniff(text: &str) -> u8 {
    let mut end = text.len().min(SNIFFED);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let sample = &text[..end];
    let mut best = (b',', 0.0);
    for separator in *b",;\t|" {
        let widths = rows(sample, separator).map(|row| row.cells.len());
        let same = same_width(widths.take(SNIFFED_ROWS).collect());
        let worth = same + if separator == b',' { 0.0 } else { PREFERENCE };
        if same > 0.0 && worth > best.1 {
            best = (separator, worth);
        }
    }
    if best.1 == 0.0 {
        let squeezed = squeezed(sample);
        let widths = rows(&squeezed, b' ').map(|row| row.cells.len());
        if same_width(widths.take(SNIFFED_ROWS).collect()) >= SPACED {
            return b' ';
        }
    }
    best.0
}

/// The share of rows that have the most common width, or 0 if that is 1.
fn same_width(widths: Vec<usize>) -> f64 {
    let times = |width: usize| widths.iter().filter(|w| **w == width).count();
    let common = widths.iter().max_by_key(|width| (times(**width), **width));
    match common {
        Some(width) if *width > 1 => times(*width) as f64 / widths.len() as f64,
        _ => 0.0,
    }
}
