//! Drawing the training points of a model and what it learned from them. No I/O; the same chart gives the same bytes.
//!
//! The shapes are plotters', drawn as SVG, and the SVG is the only source of the PNG. Their layout is made here, with text
//! measured in the embedded font: labels that fit, and dates that say what changes from one to the next.

mod area;
mod axis;
mod decimal;
mod font;
mod head;
mod picture;
mod reduce;
mod svg;
mod time;

use contract::{Point, SeriesId, Version};
use plotters::style::RGBColor;

use self::{area::Area, svg::Stroke};
pub(crate) use picture::{DrawError, to_png};

/// What is drawn.
pub(crate) struct Chart<'a> {
    /// Whose points.
    pub(crate) series: &'a SeriesId,
    /// The model's version.
    pub(crate) version: Version,
    /// The points, at least one, sorted by timestamp.
    pub(crate) points: &'a [Point],
    /// The value that the model expects.
    pub(crate) expected: f64,
    /// Where its normal range ends; not drawn if infinite.
    pub(crate) upper: f64,
    /// What that is, such as `mean + 3σ`.
    pub(crate) upper_is: &'static str,
}

const INK: RGBColor = RGBColor(0x26, 0x26, 0x26);
const FAINT_INK: RGBColor = RGBColor(0x73, 0x73, 0x73);
const VALUES: Stroke = line(RGBColor(0x1f, 0x77, 0xb4), 1.3);
const EXPECTED: Stroke = line(RGBColor(0x2c, 0xa0, 0x2c), 1.6);
const UPPER: Stroke = Stroke {
    dashed: true,
    ..line(RGBColor(0xd6, 0x27, 0x28), 1.6)
};

const fn line(color: RGBColor, width: f64) -> Stroke {
    Stroke {
        color,
        width,
        dashed: false,
    }
}

/// The chart as an SVG document of `width` × `height` pixels.
pub(crate) fn to_svg(chart: &Chart<'_>, size: (u32, u32)) -> String {
    let scale = text_scale(size);
    let canvas = (f64::from(size.0) / scale, f64::from(size.1) / scale);
    svg::document(size, scale, |svg| {
        let top = head::draw(svg, chart, canvas.0);
        let area = Area::new(chart, canvas, top, scale);
        area.draw_frame(svg);
        area.draw_values(svg, chart.points);
        area.draw_level(svg, chart.expected, EXPECTED);
        if chart.upper.is_finite() {
            area.draw_level(svg, chart.upper, UPPER);
        }
    })
}

/// Larger pictures have larger text and lines, though not in proportion: there is more to see in them, too.
fn text_scale((width, height): (u32, u32)) -> f64 {
    let ratio = (f64::from(width) / 800.0).min(f64::from(height) / 400.0);
    ratio.sqrt().clamp(0.8, 2.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: impl IntoIterator<Item = (i64, f64)>) -> Vec<Point> {
        let point = |(timestamp, value)| Point { timestamp, value };
        values.into_iter().map(point).collect()
    }

    fn svg(id: &str, points: &[Point], upper: f64, size: (u32, u32)) -> String {
        let chart = Chart {
            series: &SeriesId::new(id).unwrap(),
            version: Version::new(7).unwrap(),
            points,
            expected: points[0].value,
            upper,
            upper_is: "mean + 3σ",
        };
        to_svg(&chart, size)
    }

    /// Width, height, and how many pixels have which colour.
    pub(super) fn pixels(png: &[u8]) -> (u32, u32, std::collections::HashMap<[u8; 3], usize>) {
        let mut reader = ::png::Decoder::new(png).read_info().unwrap();
        let mut data = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut data).unwrap();
        let mut counts = std::collections::HashMap::new();
        for pixel in data.chunks_exact(3) {
            *counts.entry([pixel[0], pixel[1], pixel[2]]).or_default() += 1;
        }
        (info.width, info.height, counts)
    }

    #[test]
    fn a_picture_has_its_size_all_its_colours_and_always_the_same_bytes() {
        let data = points((0..100).map(|i| (1_693_459_200 + i * 60, (i % 10) as f64)));
        for size in [(800, 400), (200, 4000), (4000, 200)] {
            let svg = svg("s", &data, 15.0, size);
            let png = to_png(&svg).unwrap();
            assert_eq!(png, to_png(&svg).unwrap());
            let (width, height, counts) = pixels(&png);
            assert_eq!((width, height), size);
            assert!(counts[&[255, 255, 255]] > (width * height / 2) as usize);
            for color in [[0x1f, 0x77, 0xb4], [0x2c, 0xa0, 0x2c], [0xd6, 0x27, 0x28]] {
                assert!(counts.get(&color) > Some(&20), "{size:?} {color:x?}");
            }
        }
    }

    #[test]
    fn title_and_legend_say_what_is_drawn() {
        let data = points((0..12_345).map(|i| (i, (i % 10) as f64)));
        let wide = svg("sensor_01", &data, 15.25, (800, 400)).replace('\n', "");
        for text in [
            ">sensor_01<",
            ">v7 · 12,345 points<",
            ">values<",
            ">mean 0<",
            ">upper limit 15.25 (mean + 3σ)<",
        ] {
            assert!(wide.contains(text), "{text} in {wide}");
        }
        let narrow = svg(&"long ".repeat(40), &data, 15.25, (200, 200)).replace('\n', "");
        assert!(
            narrow.contains('…') && narrow.contains(">limit<"),
            "{narrow}"
        );
    }

    #[test]
    fn an_infinite_limit_is_not_drawn() {
        let data = points([(1, f64::MAX), (2, -f64::MAX), (3, 0.0)]);
        let chart = svg("s", &data, f64::INFINITY, (800, 400));
        assert!(!chart.contains("limit") && !chart.contains("inf") && !chart.contains("NaN"));
        to_png(&chart).unwrap();
    }

    #[test]
    fn a_million_points_are_as_little_to_draw_as_some_thousand() {
        let data = points((0..1_000_000).map(|i| (i, (i * 7919 % 1000) as f64)));
        assert!(svg("s", &data, 1500.0, (800, 400)).len() < 100_000);
    }

    #[test]
    fn whatever_can_be_fitted_can_be_drawn() {
        let values = [
            0.0,
            5e-324,
            -1e-300,
            1e-9,
            1.0,
            1e15,
            1e300,
            f64::MAX,
            f64::MIN,
        ];
        let timestamps = [
            i64::MIN,
            -1,
            0,
            1_693_459_200,
            1_693_459_200_000_000_000,
            i64::MAX,
        ];
        for low in values {
            for high in values.into_iter().filter(|high| *high != low) {
                for (i, first) in timestamps.into_iter().enumerate() {
                    for last in &timestamps[i..] {
                        let data = points([(first, low), (first, high), (*last, low)]);
                        let svg = svg("s", &data, high.max(low), (200, 200));
                        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                    }
                }
            }
        }
    }
}
