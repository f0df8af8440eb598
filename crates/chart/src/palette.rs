//! The colours of a chart, and the lines, surfaces and texts that are drawn in them.
//!
//! The hues are those of Okabe and Ito (2008), which people with any common colour blindness can
//! tell apart: a dark slate for values, blue for what is normal, vermilion for what is not, and
//! purple for changes of the level. With protanopia, deuteranopia and tritanopia simulated (Machado
//! et al., 2009), any two of them differ by at least 20 in CIELAB. Nor do they differ in hue alone:
//! the normal range is a surface, anomalies are dots that get larger and darker, and changes are
//! dashed.

use contract::Severity;
use plotters::style::{RGBColor, text_anchor::HPos};

use super::svg::{Fill, Lettering, Stroke};

const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const VERMILION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
/// Okabe and Ito's reddish purple, darker: a thin line of theirs is faint on white.
const PURPLE: RGBColor = RGBColor(0x9a, 0x3d, 0x78);
const SLATE: RGBColor = RGBColor(0x2b, 0x30, 0x38);

pub(super) const WHITE: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// The colour of texts.
pub(super) const INK: RGBColor = RGBColor(0x26, 0x26, 0x26);
/// The colour of texts of less weight; 5.3 times as dark as white.
pub(super) const FAINT_INK: RGBColor = RGBColor(0x6b, 0x6b, 0x6b);
pub(super) const GRID: Stroke = line(RGBColor(0xe6, 0xe6, 0xe6), 1.0);
pub(super) const FRAME: Stroke = line(RGBColor(0x8c, 0x8c, 0x8c), 1.0);

/// The line through the points.
pub(super) const VALUES: Stroke = line(SLATE, 1.3);
/// From the smallest to the largest value of a column of pixels, where a line would be a blot.
pub(super) const ENVELOPE: Fill = Fill {
    color: SLATE,
    opacity: 0.28,
};
pub(super) const EXPECTED: Stroke = line(BLUE, 1.6);
/// The normal range.
pub(super) const BAND: Fill = Fill {
    color: RGBColor(0x56, 0xb4, 0xe9),
    opacity: 0.27,
};
/// The ends of the normal range.
pub(super) const LIMIT: Stroke = line(RGBColor(0x8f, 0xc7, 0xe8), 0.9);
/// The line through the points of an episode.
pub(super) const ABNORMAL: Stroke = line(VERMILION, 1.8);
/// The envelope where points are abnormal.
pub(super) const ABNORMAL_ENVELOPE: Fill = Fill {
    color: VERMILION,
    opacity: 0.75,
};
/// The time of an episode.
pub(super) const EPISODE: Fill = Fill {
    color: VERMILION,
    opacity: 0.13,
};
pub(super) const CHANGE: Stroke = Stroke {
    dashed: true,
    ..line(PURPLE, 1.4)
};

/// The time that was fitted on.
pub(super) const FITTED: Fill = Fill {
    color: RGBColor(0x50, 0x50, 0x50),
    opacity: 0.07,
};
/// The plate behind the label of that time.
pub(super) const FITTED_PLATE: Fill = Fill {
    color: RGBColor(0xf2, 0xf2, 0xf2),
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

/// Colour and radius of the mark of an anomaly.
pub(super) const fn mark(severity: Severity) -> (RGBColor, f64) {
    match severity {
        Severity::None | Severity::Low => (RGBColor(0xe0, 0x7b, 0x1a), 3.1),
        Severity::Medium => (VERMILION, 3.6),
        Severity::High => (RGBColor(0xa8, 0x3c, 0x00), 4.1),
        Severity::Critical => (RGBColor(0x6b, 0x1f, 0x00), 4.6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many times as bright as `color` white is, by the definition of WCAG 2.
    fn contrast(color: RGBColor) -> f64 {
        let linear = |part: u8| match f64::from(part) / 255.0 {
            part if part <= 0.040_45 => part / 12.92,
            part => ((part + 0.055) / 1.055).powf(2.4),
        };
        let RGBColor(red, green, blue) = color;
        let luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
        1.05 / (luminance + 0.05)
    }

    #[test]
    fn texts_and_lines_stand_out_from_white() {
        for text in [INK, FAINT_INK, FITTED_LABEL.color] {
            assert!(contrast(text) >= 4.5, "{text:?}");
        }
        for line in [VALUES, EXPECTED, ABNORMAL, CHANGE] {
            assert!(contrast(line.color) >= 3.0, "{:?}", line.color);
        }
    }

    #[test]
    fn more_severe_anomalies_are_larger_and_darker() {
        let marks: Vec<(RGBColor, f64)> = Severity::ALL
            .iter()
            .map(|&severity| mark(severity))
            .collect();
        for pair in marks.windows(2) {
            assert!(pair[0].1 <= pair[1].1);
            assert!(contrast(pair[0].0) <= contrast(pair[1].0));
        }
    }
}
