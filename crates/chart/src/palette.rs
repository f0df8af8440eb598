//! The colours of a chart, and the lines, surfaces and texts that are drawn in them.

use contract::Severity;
use plotters::style::{RGBColor, text_anchor::HPos};

use super::svg::{Fill, Lettering, Stroke};

pub(super) const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(super) const INK: RGBColor = RGBColor(0x26, 0x26, 0x26);
pub(super) const FAINT_INK: RGBColor = RGBColor(0x73, 0x73, 0x73);
pub(super) const GRID: Stroke = line(RGBColor(0xe6, 0xe6, 0xe6), 1.0);
pub(super) const FRAME: Stroke = line(RGBColor(0x8c, 0x8c, 0x8c), 1.0);
pub(super) const VALUES: Stroke = line(RGBColor(0x1f, 0x77, 0xb4), 1.3);
pub(super) const EXPECTED: Stroke = line(RGBColor(0x2c, 0xa0, 0x2c), 1.6);
pub(super) const BAND: Fill = Fill {
    color: EXPECTED.color,
    opacity: 0.13,
};
pub(super) const LIMIT: Stroke = line(RGBColor(0xb4, 0xdb, 0xb4), 0.8);
pub(super) const CHANGE: Stroke = Stroke {
    dashed: true,
    ..line(RGBColor(0x7b, 0x3f, 0xb5), 1.4)
};
pub(super) const EPISODE: Fill = Fill {
    color: RGBColor(0xe0, 0x30, 0x30),
    opacity: 0.12,
};
pub(super) const FITTED: Fill = Fill {
    color: RGBColor(0x40, 0x50, 0x70),
    opacity: 0.08,
};
pub(super) const FITTED_PLATE: Fill = Fill {
    color: RGBColor(0xf0, 0xf1, 0xf4),
    opacity: 0.85,
};
pub(super) const FITTED_LABEL: Lettering = Lettering {
    size: 10.5,
    color: FAINT_INK,
    anchor: HPos::Left,
};
/// A line that is not dashed.
pub(super) const fn line(color: RGBColor, width: f64) -> Stroke {
    Stroke {
        color,
        width,
        dashed: false,
    }
}

/// Colour and radius of a mark.
pub(super) const fn look(severity: Severity) -> (RGBColor, f64) {
    match severity {
        Severity::None | Severity::Low => (RGBColor(0xf0, 0x6a, 0x5a), 2.4),
        Severity::Medium => (RGBColor(0xe0, 0x30, 0x30), 2.8),
        Severity::High => (RGBColor(0xc0, 0x10, 0x20), 3.2),
        Severity::Critical => (RGBColor(0x8b, 0x00, 0x18), 3.7),
    }
}
