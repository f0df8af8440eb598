//! The font of charts. It is embedded, so that a chart looks the same on every machine, and no
//! machine needs a font package.

use std::{
    mem,
    sync::{Arc, LazyLock},
};

use resvg::usvg::fontdb::{Database, Source};
use ttf_parser::Face;

/// DejaVu Sans, cut down to Latin, Greek, Cyrillic and punctuation (see `assets/README.md`).
const DATA: &[u8] = include_bytes!("../assets/DejaVuSans-subset.ttf");

/// Its name, and similar fonts for a viewer of SVG that does not have it.
pub(super) const FAMILIES: &str = "DejaVu Sans, Verdana, sans-serif";

/// Stands for a character that the font does not have.
const BOX: char = '\u{25a1}';

/// A space that SVG keeps after another.
const LASTING_SPACE: char = '\u{a0}';

static FACE: LazyLock<Face<'static>> =
    LazyLock::new(|| Face::parse(DATA, 0).expect("the embedded font is a font"));

/// The only font for drawing: fonts of the machine are not looked at.
pub(super) static DATABASE: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_source(Source::Binary(Arc::new(DATA)));
    Arc::new(fonts)
});

/// The width of `text`, set in `size`.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let advance = |c| {
        let glyph = FACE.glyph_index(c)?;
        FACE.glyph_hor_advance(glyph)
    };
    let units: f64 = text.chars().filter_map(advance).map(f64::from).sum();
    units * size / f64::from(FACE.units_per_em())
}

/// `text` with a box for every character that the font or XML does not have, and with spaces that SVG does
/// not fold into one. This way measuring and drawing agree.
pub(super) fn legible(text: &str) -> String {
    let mut before = ' ';
    let shown = |c| match (mem::replace(&mut before, c), c) {
        (' ', ' ') => LASTING_SPACE,
        // The last entry of a font's table, and no characters of XML.
        (_, '\u{fffe}' | '\u{ffff}') => BOX,
        _ if FACE.glyph_index(c).is_some() => c,
        _ => BOX,
    };
    text.chars().map(shown).collect()
}

/// `text`, with `…` in place of its middle if it is wider than `room`.
pub(super) fn shorten(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let mut shortened = String::from("…");
    for kept in 2..chars.len() {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        let candidate: String = chars[..head]
            .iter()
            .chain(&['…'])
            .chain(&chars[chars.len() - tail..])
            .collect();
        if width(&candidate, size) > room {
            break;
        }
        shortened = candidate;
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_both_ends_and_fits() {
        let long = format!("building-{}-temperature", "x".repeat(150));
        let short = shorten(&long, 14.0, 200.0);
        assert!(width(&short, 14.0) <= 200.0 && width(&short, 14.0) > 170.0);
        assert!(short.starts_with("building-") && short.ends_with("temperature"));
        assert_eq!(shorten("cpu", 14.0, 200.0), "cpu");
        assert_eq!(shorten(&long, 14.0, 1.0), "…");
    }

    #[test]
    fn what_cannot_be_shown_is_replaced_by_what_can() {
        assert_eq!(legible("Ünïté µσ – ЖΩ"), "Ünïté µσ – ЖΩ");
        assert_eq!(legible("a温度🔥\u{202e}"), "a□□□□");
        assert_eq!(legible("a\u{fffe}\u{ffff}"), "a□□");
        assert_eq!(legible(" a b  c"), "\u{a0}a b \u{a0}c");
        assert!(width("温", 10.0) == 0.0 && width(&legible("温"), 10.0) > 5.0);
    }
}
