//! Looks at the shapes in the SVG of charts.

mod geometry;

use std::collections::HashMap;

use contract::{DetectorName, Point, Severity, Version};

use super::*;

fn points(values: impl IntoIterator<Item = (i64, f64)>) -> Vec<Point> {
    let point = |(timestamp, value)| Point { timestamp, value };
    values.into_iter().map(point).collect()
}

fn counting(n: i64) -> Vec<Point> {
    points((0..n).map(|i| (1_693_459_200 + i * 60, (i % 10) as f64)))
}

fn chart(points: Vec<Point>) -> Chart {
    Chart {
        version: Version::new(7),
        ..Chart::new("sensor_01".to_owned(), DetectorName::Sigma, points)
    }
}

fn normal(expected: f64, lower: impl Into<Option<f64>>, upper: impl Into<Option<f64>>) -> Normal {
    Normal {
        expected: Some(expected),
        lower: lower.into(),
        upper: upper.into(),
    }
}

/// A chart with something of everything.
fn full(n: i64) -> Chart {
    let points = counting(n);
    let normal_at = |p: &Point| normal(p.value, p.value - 2.0, p.value + 2.0);
    let at = |i: usize| points[i].timestamp;
    let mark = |i: usize, severity, within| Mark {
        point: points[i],
        severity,
        within,
    };
    Chart {
        period: Some(Period {
            points: 10,
            time: Some(600),
        }),
        normal: points.iter().map(normal_at).collect(),
        marks: vec![
            mark(20, Severity::Low, false),
            mark(40, Severity::Critical, false),
            mark(60, Severity::High, true),
        ],
        episodes: vec![(at(38), at(45)), (at(60), at(60))],
        changes: vec![at(70)],
        fitted: Some(Fitted {
            points: 30,
            until: at(29),
        }),
        ..chart(points)
    }
}

/// A size at a scale of 1.
const fn size(width: u32, height: u32) -> Size {
    Size {
        width,
        height,
        scale: 1,
    }
}

fn svg(chart: &Chart) -> String {
    to_svg(chart, size(800, 400)).replace('\n', "")
}

/// Width, height, and how many pixels have which colour.
pub(super) fn pixels(png: &[u8]) -> (u32, u32, HashMap<[u8; 3], usize>) {
    let mut reader = ::png::Decoder::new(png).read_info().unwrap();
    let mut data = vec![0; reader.output_buffer_size()];
    let info = reader.next_frame(&mut data).unwrap();
    let mut counts = HashMap::new();
    for pixel in data.chunks_exact(3) {
        *counts.entry([pixel[0], pixel[1], pixel[2]]).or_default() += 1;
    }
    (info.width, info.height, counts)
}

/// How often `text` is in `svg`.
fn count(svg: &str, text: &str) -> usize {
    svg.matches(text).count()
}

/// The dots and rings of a severity.
fn marks_of(svg: &str, severity: Severity) -> (usize, usize) {
    let (color, _) = palette::mark(severity);
    let color = format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2);
    let dots = count(svg, &format!("fill=\"{color}\" stroke=\"none\""));
    (
        dots,
        count(svg, &format!("fill=\"none\" stroke=\"{color}\"")),
    )
}

#[test]
fn a_picture_has_its_size_all_its_colours_and_always_the_same_bytes() {
    for (width, height) in [(800, 400), (200, 4000), (4000, 200)] {
        let svg = to_svg(&full(100), size(width, height));
        let png = to_png(&svg).unwrap();
        assert_eq!(png, to_png(&svg).unwrap());
        let (drawn_width, drawn_height, counts) = pixels(&png);
        assert_eq!((drawn_width, drawn_height), (width, height));
        assert!(counts[&[255, 255, 255]] > (width * height / 3) as usize);
        for color in [[0x2b, 0x30, 0x38], [0x6b, 0x1f, 0x00]] {
            assert!(counts.get(&color) > Some(&5), "{width} {color:x?}");
        }
    }
}

#[test]
fn a_larger_scale_draws_the_same_more_sharply() {
    let sharp = Size {
        scale: 2,
        ..size(800, 400)
    };
    let drawn = to_svg(&full(2_000), sharp).replace('\n', "");
    let (width, height, _) = pixels(&to_png(&drawn).unwrap());
    assert_eq!((width, height), (1600, 800));
    let usual = svg(&full(2_000));
    for shape in [
        "<polygon",
        "<polyline",
        "<circle",
        "<text",
        "<line",
        "<rect",
    ] {
        assert_eq!(count(&drawn, shape), count(&usual, shape), "{shape}");
    }
    let sizes = |svg: &str, size| count(svg, &format!("font-size=\"{size}\""));
    assert_eq!(sizes(&drawn, 2_800), sizes(&usual, 1_400));
}

#[test]
fn title_and_legend_say_what_is_drawn() {
    let level = |chart: Chart| Chart {
        normal: vec![normal(0.0, None, 15.25); chart.points.len()],
        ..chart
    };
    let wide = svg(&level(chart(counting(12_345))));
    for text in [
        ">sensor_01<",
        ">v7 · 12,345 points · sigma<",
        ">values<",
        ">expected 0<",
        ">normal up to 15.25<",
    ] {
        assert!(wide.contains(text), "{text} in {wide}");
    }
    let subject = "long ".repeat(40);
    let long = level(Chart {
        subject,
        ..chart(counting(12_345))
    });
    let narrow = to_svg(&long, size(200, 200)).replace('\n', "");
    assert!(
        narrow.contains('…') && narrow.contains(">expected<"),
        "{narrow}"
    );
    assert!(narrow.contains(">v7 · 12,345 points<"), "{narrow}");
}

#[test]
fn everything_that_is_there_is_drawn_and_explained() {
    let drawn = svg(&full(100));
    for text in [
        ">v7 · 100 points · sigma · period 10 minutes<",
        ">fitted on 30 points<",
        ">expected<",
        ">normal range<",
        ">2 anomalies<",
        ">1 by shape<",
        ">2 episodes<",
        ">1 level change<",
    ] {
        assert!(drawn.contains(text), "{text} in {drawn}");
    }
    assert_eq!(count(&drawn, "<polygon"), 1);
    assert_eq!(marks_of(&drawn, Severity::Low), (1, 0));
    assert_eq!(marks_of(&drawn, Severity::Critical), (1, 0));
    // One of each in the legend.
    assert_eq!(marks_of(&drawn, Severity::High), (1, 2));
    let plain = svg(&chart(counting(100)));
    assert_eq!(count(&plain, "<polygon") + count(&plain, "<circle"), 0);
    for text in [
        "expected", "normal", "anomal", "episode", "change", "fitted",
    ] {
        assert!(!plain.contains(text), "{text} in {plain}");
    }
}

#[test]
fn an_unknown_beginning_has_no_band() {
    let mut chart = full(100);
    chart.normal[..30].fill(Normal::UNKNOWN);
    let band = |chart: &Chart| {
        let svg = svg(chart);
        let points = svg
            .split("<polygon")
            .nth(1)
            .unwrap()
            .split("points=\"")
            .nth(1);
        let points = points.unwrap().split('"').next().unwrap().to_owned();
        points.split_whitespace().count()
    };
    assert_eq!((band(&chart), band(&full(100))), (140, 200));
}

#[test]
fn a_side_without_a_limit_is_shaded_to_the_edge_and_has_no_line() {
    let open = |lower: Option<f64>, upper: Option<f64>| {
        let chart = chart(counting(100));
        let normal = vec![normal(4.0, lower, upper); 100];
        svg(&Chart { normal, ..chart })
    };
    let limit = "stroke=\"#8FC7E8\"";
    let without_legend = |svg: &str| count(svg, limit).saturating_sub(2);
    assert_eq!(without_legend(&open(Some(1.0), Some(8.0))), 2);
    assert_eq!(without_legend(&open(None, Some(8.0))), 1);
    assert_eq!(without_legend(&open(Some(1.0), None)), 1);
    let none = open(None, None);
    assert_eq!(count(&none, "<polygon") + count(&none, limit), 0);
    for drawn in [open(None, Some(8.0)), open(Some(f64::MIN), Some(f64::MAX))] {
        assert_eq!(count(&drawn, "<polygon"), 1);
        assert!(!drawn.contains("inf") && !drawn.contains("NaN"));
    }
}

#[test]
fn a_part_has_the_points_marks_and_changes_in_it() {
    let whole = full(100);
    let at = |i: i64| 1_693_459_200 + i * 60;
    let part = whole
        .clone()
        .between(Some(at(35) - 1), Some(at(42)))
        .unwrap();
    assert_eq!(part.points, whole.points[35..=42]);
    assert_eq!(part.normal, whole.normal[35..=42]);
    assert_eq!(part.marks, whole.marks[1..2]);
    assert_eq!(part.episodes, [(at(38), at(42))]);
    assert_eq!((part.changes.len(), part.fitted), (0, None));
    assert!(svg(&part).contains("8 of 100 points"));
    assert_eq!(whole.clone().between(None, None), Some(whole.clone()));
    assert_eq!(whole.clone().between(Some(at(99) + 1), None), None);
    assert_eq!(
        whole.clone().between(Some(at(5) + 1), Some(at(6) - 1)),
        None
    );
    assert_eq!(whole.clone().between(None, Some(at(0) - 1)), None);
    let first = whole.between(None, Some(at(0))).unwrap();
    assert_eq!(first.fitted.unwrap().until, at(0));
}

#[test]
fn the_axis_of_a_part_reaches_as_far_as_was_asked_for() {
    let labels = |from, to| svg(&full(100).between(from, to).unwrap());
    assert!(labels(Some(0), None).contains(">1980<"));
    let far = labels(Some(i64::MIN), Some(i64::MAX));
    assert!(far.contains("e18<") && !far.contains("NaN"));
}

#[test]
fn a_million_points_are_as_little_to_draw_as_some_thousand() {
    let points = points((0..1_000_000).map(|i| (i, (i * 7919 % 1000) as f64)));
    let normal_at = |p: &Point| normal(p.value / 2.0, p.value - 900.0, 700.0);
    let marks = points.iter().filter(|p| p.value > 700.0);
    let mark = |point: &Point| Mark {
        point: *point,
        severity: if point.timestamp % 99 == 0 {
            Severity::Critical
        } else {
            Severity::Low
        },
        within: false,
    };
    let chart = Chart {
        marks: marks.map(mark).collect(),
        normal: points.iter().map(normal_at).collect(),
        changes: (0..1_000).map(|i| i * 1_000).collect(),
        ..chart(points)
    };
    assert!(chart.marks.len() > 200_000);
    let svg = svg(&chart);
    assert!(svg.len() < 600_000, "{}", svg.len());
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
                    let points = points([(first, low), (first, high), (*last, low)]);
                    let chart = Chart {
                        normal: vec![
                            normal(low, None, high),
                            normal(high, low, None),
                            normal(low, low, high),
                        ],
                        marks: vec![Mark {
                            point: points[1],
                            severity: Severity::Low,
                            within: false,
                        }],
                        changes: vec![first, *last],
                        episodes: vec![(first, *last)],
                        ..chart(points)
                    };
                    let svg = to_svg(&chart, size(200, 200));
                    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                }
            }
        }
    }
}

#[test]
fn charts_are_stacked_one_above_the_other() {
    let charts = [full(100), full(90), full(80)];
    let svg = to_stacked_svg(&charts, size(800, 600));
    assert!(svg.contains("width=\"800\" height=\"600\""), "{svg}");
    for top in [0, 200, 400] {
        assert!(svg.contains(&format!("<svg y=\"{top}\" ")), "{top}");
    }
    assert!(to_png(&svg).unwrap().len() > 1_000);
    assert_eq!(
        to_stacked_svg(&charts[..1], size(800, 600)),
        to_svg(&charts[0], size(800, 600))
    );
}
