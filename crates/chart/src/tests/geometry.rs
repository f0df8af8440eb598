//! Looks at where shapes lie: bands, envelopes, episodes and lines.

use super::*;

/// The coordinates in the first `points` attribute of `shape`.
fn places(shape: &str) -> Vec<(i32, i32)> {
    let points = shape.split("points=\"").nth(1).unwrap();
    let points = points.split('"').next().unwrap().split_whitespace();
    let pair = |text: &str| {
        let (x, y) = text.split_once(',').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    points.map(pair).collect()
}

/// The coordinates of the first polygon.
fn polygon(svg: &str) -> Vec<(i32, i32)> {
    places(svg.split("<polygon").nth(1).unwrap())
}

#[test]
fn the_band_ends_at_zero_where_values_cannot_be_negative() {
    // How far the band goes below the lowest value, which is `first`.
    let below = |lower: Option<f64>, first: f64| {
        let mut points = counting(100);
        points[0].value = first;
        let mut band = vec![normal(4.0, lower, 12.0); 100];
        // Not the same everywhere: a level is drawn from side to side.
        band[0].upper = Some(11.0);
        let drawn = svg(&Chart {
            normal: band,
            ..chart(points)
        });
        let lowest = |places: &[(i32, i32)]| places.iter().map(|place| place.1).max();
        let values = places(drawn.rsplit("stroke=\"#2B3038\"").next().unwrap());
        lowest(&polygon(&drawn)).unwrap() - lowest(&values).unwrap()
    };
    for lower in [Some(0.0), Some(-3.0), None] {
        assert_eq!(below(lower, 0.0), 0, "{lower:?}");
    }
    for lower in [Some(-3.0), None] {
        assert!(below(lower, -0.1) > 100, "{lower:?}");
    }
    let shown = |lower| {
        let level = vec![normal(4.0, lower, 12.0); 100];
        svg(&Chart {
            normal: level,
            ..chart(counting(100))
        })
    };
    assert!(shown(-3.0).contains(">normal up to 12<"));
    assert!(shown(3.0).contains(">normal 3 to 12<"));
}

#[test]
fn a_part_without_negative_values_is_drawn_like_the_whole() {
    let mut points = counting(100);
    points[0].value = -1.0;
    let part = chart(points).between(Some(1_693_459_260), None).unwrap();
    assert!(!part.nonnegative && part.points.iter().all(|point| point.value >= 0.0));
}

#[test]
fn many_points_are_a_pale_envelope_in_which_episodes_stand_out() {
    let wave = |n: i64| {
        let value = |i: i64| {
            if (5_000..5_050).contains(&i) {
                30
            } else {
                i * 7919 % 10
            }
        };
        points((0..n).map(|i| (1_693_459_200 + i * 60, value(i) as f64)))
    };
    let (pale, painted) = ("fill=\"#2B3038\"", "fill=\"#D55E00\"");
    let few = svg(&chart(wave(1_200)));
    assert_eq!(count(&few, "<polygon"), 0);
    let points = wave(20_000);
    let episode = (points[5_000].timestamp, points[5_049].timestamp);
    let many = Chart {
        episodes: vec![episode],
        ..chart(points)
    };
    let drawn = svg(&many);
    // The time of the episode and its mark in the legend are rectangles.
    let polygons: Vec<&str> = drawn.split("<polygon").skip(1).collect();
    let of = |fill: &str| polygons.iter().filter(|shape| shape.contains(fill)).count();
    assert_eq!((of(pale), of(painted)), (1, 1));
    let all = polygon(&drawn);
    assert!((1_000..2_000).contains(&all.len()), "{}", all.len());
    // It covers the values from the lowest to the highest.
    let heights = |place: &(i32, i32)| place.1;
    let highest = all.iter().map(heights).min().unwrap();
    let lowest = all.iter().map(heights).max().unwrap();
    let usual = Chart {
        episodes: Vec::new(),
        ..many
    };
    let usual = svg(&usual);
    assert_eq!(polygon(&usual), all);
    assert!(highest < 10_000 && lowest > 30_000, "{highest} {lowest}");
    assert_eq!(count(&usual, painted), 0);
}

#[test]
fn an_episode_is_drawn_over_the_line_of_the_values() {
    let drawn = svg(&full(100));
    // Eight points of the first episode; the second has one point only, which is marked.
    let abnormal: Vec<&str> = drawn.split("stroke=\"#D55E00\"").skip(1).collect();
    assert_eq!(abnormal.len(), 1);
    assert_eq!(places(abnormal[0]).len(), 8);
}

#[test]
fn nothing_is_drawn_where_points_are_missing() {
    let mut full = full(200);
    for (i, point) in full.points.iter_mut().enumerate().skip(150) {
        // A single one in the middle of a long silence.
        point.timestamp += if i == 150 { 3_600 } else { 7_200 };
    }
    full.axis.1 += 7_200;
    let drawn = svg(&full);
    let lines = |color: &str| count(&drawn, &format!("stroke=\"{color}\""));
    // One of each in the legend; a band of one point alone has no width, and its value is a dot.
    assert_eq!(count(&drawn, "<polygon"), 3);
    assert_eq!(lines("#2B3038"), 1 + 3);
    assert_eq!(count(&drawn, "fill=\"#2B3038\""), 1);
    let level = vec![normal(4.0, 0.0, 9.0); 200];
    let drawn = svg(&Chart {
        normal: level,
        ..full
    });
    assert_eq!(count(&drawn, "<polygon"), 1);
}

#[test]
fn what_is_expected_lies_on_top_where_it_is_smooth() {
    let order = |factor: f64| {
        let points = counting(100);
        let normal_at = |p: &Point| normal(p.value * factor, None, None);
        let svg = svg(&Chart {
            normal: points.iter().map(normal_at).collect(),
            ..chart(points)
        });
        svg.rfind("#2B3038").unwrap() < svg.rfind("#0072B2").unwrap()
    };
    assert!(order(0.1) && !order(0.9));
}

#[test]
fn a_far_limit_does_not_press_the_values_flat() {
    let chart = chart(counting(100));
    let heights = |upper: f64| {
        let normal = vec![normal(4.0, 0.0, upper); 100];
        let svg = svg(&Chart {
            normal,
            ..chart.clone()
        });
        let values = svg.rsplit("stroke=\"#2B3038\"").next().unwrap();
        let places = values.split("points=\"").nth(1).unwrap().split('"').next();
        let heights = places
            .unwrap()
            .split_whitespace()
            .filter_map(|p| p.split_once(','));
        let heights: Vec<i32> = heights.map(|(_, y)| y.parse().unwrap()).collect();
        heights.iter().max().unwrap() - heights.iter().min().unwrap()
    };
    let all = heights(9.0);
    assert!(heights(1e9) * 5 > all * 2, "{} of {all}", heights(1e9));
}
