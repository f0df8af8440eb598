//! The usual value at each place of the season: an anomaly lies far from it.
//!
//! Finds values that are normal at another time of the day; blind to drift. Clock and season are
//! found as the forecaster of `auto` finds them. Without a season it compares with the median.

use contract::{DetectorName, Params, Point, Sides, TimeZone};
use serde::{Deserialize, Serialize};

use crate::{
    Band, Verdict,
    calibration::Calibration,
    detector::{Detector, Forecasting, scores_by_forecast},
    detectors::robust::Robust,
    forecast::Forecast,
    online::ForecastMonitor,
    params::{Param, Settings},
    series::{
        clock::{Clock, local},
        season::{self, MedianProfile},
        seasonality::{CYCLES, Found, Gridded},
    },
    verdict::ScoringRule,
    warning::{WarningKind, Warnings},
};

/// A season, and the level for places that were never seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seasonal {
    clock: Clock,
    /// The slot of the last training point.
    last: i64,
    season: Option<Season>,
    level: Box<Robust>,
    points: u64,
    /// The time zone whose clocks the season follows; `None`: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timezone: Option<Box<TimeZone>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Season {
    profile: MedianProfile,
    /// The distribution of distances from the profile.
    calibration: Box<Calibration>,
}

/// The longest season, in slots.
const LONGEST: usize = 20_000;

/// The length of the season in points of a regular clock.
const PERIOD: Param = Param {
    name: "period",
    range: (2.0, LONGEST as f64),
    whole: true,
};

/// The factor by which a season must make distances smaller.
const GAIN: f64 = 0.95;

/// The number of last points in which a period is searched.
const PERIOD_POINTS: usize = 1 << 17;

/// The number of periods that is tried as a period too: a week of days.
const WEEK: usize = 7;

impl Detector for Seasonal {
    /// The last slot, once a point has passed.
    type State = Option<i64>;
    type Online = ForecastMonitor<Self, Option<i64>>;
    const NAME: DetectorName = DetectorName::Seasonal;
    const PARAMS: &'static [Param] = &[PERIOD];
    const KNOWS_TIMEZONES: bool = true;

    fn fit(points: &[Point], settings: &Settings, warnings: &mut Warnings) -> Self {
        let timezone = settings.timezone().cloned().map(Box::new);
        let (clock, slots) = Clock::of_points(points, timezone.as_deref());
        let level = Robust::fit(points, &Settings::default(), warnings);
        let asked = settings.get(PERIOD.name).map(|period| period as usize);
        let season = match asked {
            Some(period) => Season::asked(points, &slots, period, &level, warnings),
            None => Season::found(points, &slots, &clock, &level, warnings),
        };
        Self {
            clock,
            last: slots[slots.len() - 1],
            season,
            level: Box::new(level),
            points: points.len() as u64,
            timezone,
        }
    }

    scores_by_forecast!();

    fn online(&self, _: &ScoringRule) -> Self::Online {
        ForecastMonitor::new(self.clone(), Some(self.last), self.points as f64)
    }

    fn params(&self) -> Params {
        let period = self
            .period()
            .map(|period| (PERIOD.name.to_owned(), period as f64));
        Params::from_iter(period)
    }

    fn season(&self, state: &Self::State, timestamp: i64) -> f64 {
        let slot = self.slot(state, timestamp);
        let usual = slot.and_then(|slot| self.usual(slot));
        usual.map_or(0.0, |(_, usual)| usual - self.level.median())
    }

    fn period(&self) -> Option<u64> {
        self.season
            .as_ref()
            .map(|season| season.profile.period() as u64)
    }

    fn period_time(&self) -> Option<i64> {
        Some((self.period()? as f64 * self.clock.step()?) as i64)
    }

    fn heap_bytes(&self) -> usize {
        let season = self.season.as_ref();
        size_of::<Robust>()
            + season.map_or(0, |s| size_of::<Calibration>() + s.profile.heap_bytes())
            + self.timezone.as_ref().map_or(0, |_| size_of::<TimeZone>())
    }

    fn is_sound(&self) -> bool {
        let season = |season: &Season| season.profile.is_sound() && season.calibration.is_sound();
        self.clock.check().is_ok()
            && self.level.is_sound()
            && self.season.as_ref().is_none_or(season)
    }
}

impl Forecasting for Seasonal {
    fn forecast(&self, state: &Self::State, timestamp: i64) -> Forecast<'_> {
        let slot = self.slot(state, timestamp);
        let Some((season, usual)) = slot.and_then(|slot| self.usual(slot)) else {
            return self.level.forecast(&(), timestamp);
        };
        Forecast {
            expected: usual,
            calibration: &season.calibration,
            sees: Sides::Both,
            own_limit: None,
            of_alarms: false,
        }
    }

    fn advance(&self, state: &mut Self::State, point: Point, _: f64) {
        *state = self.slot(state, point.timestamp);
    }

    fn learn(&mut self, state: &mut Self::State, point: Point, limit: f64) {
        self.advance(state, point, limit);
        self.level.learn(&mut (), point, limit);
        if let (Some(slot), Some(season)) = (*state, &mut self.season) {
            season.profile.learn(slot, point.value, limit);
        }
    }
}

impl Seasonal {
    /// The slot of a point. Without a regular clock it is the one after the last, if that is known.
    fn slot(&self, state: &Option<i64>, timestamp: i64) -> Option<i64> {
        if state.is_none() && self.clock.step().is_none() {
            return None;
        }
        let stamp = local(self.timezone.as_deref(), timestamp);
        Some(self.clock.slot(stamp, state.unwrap_or(self.last)))
    }

    /// The season and the usual value at `slot`, if known.
    fn usual(&self, slot: i64) -> Option<(&Season, f64)> {
        let season = self.season.as_ref()?;
        Some((season, season.profile.usual(slot)?))
    }
}

impl Season {
    /// The season of the `period` that a request names.
    fn asked(
        points: &[Point],
        slots: &[i64],
        period: usize,
        level: &Robust,
        warnings: &mut Warnings,
    ) -> Option<Self> {
        if period * CYCLES > points.len() {
            warnings.add(too_short(points.len(), period));
            return None;
        }
        Some(Self::fit(points, slots, period, level).0)
    }

    /// The season that explains the points best, if any explains them.
    fn found(
        points: &[Point],
        slots: &[i64],
        clock: &Clock,
        level: &Robust,
        warnings: &mut Warnings,
    ) -> Option<Self> {
        let from = points.len().saturating_sub(PERIOD_POINTS);
        let values: Vec<f64> = points[from..]
            .iter()
            .map(|p| level.standard(p.value))
            .collect();
        let grid = Gridded::new(&slots[from..], &values, 0.0, 1.0);
        let day = clock.day(LONGEST).map(|day| day.slots);
        let period = Found::of(&grid, day, LONGEST).reported();
        let mut best =
            GAIN * season::mean_distance(points.iter().map(|p| p.value - level.median()));
        let mut season = None;
        for period in period
            .into_iter()
            .flat_map(|period| [period, WEEK * period])
        {
            if period * CYCLES <= points.len() {
                let (fitted, distance) = Self::fit(points, slots, period, level);
                if distance < best {
                    best = GAIN * distance;
                    season = Some(fitted);
                }
            }
        }
        if season.is_none() {
            let points = points.len();
            let short = day.filter(|day| *day <= points && CYCLES * day > points);
            warnings.add(short.map_or(WarningKind::NoSeason, |day| too_short(points, day)));
        }
        season
    }

    /// The season of a period, and the mean distance of the points from the usual value that the
    /// other points make.
    fn fit(points: &[Point], slots: &[i64], period: usize, level: &Robust) -> (Self, f64) {
        let values: Vec<f64> = points.iter().map(|p| p.value).collect();
        let (profile, distances) = MedianProfile::fit(&values, slots, period);
        // A place that was seen once cannot be compared with others.
        let mut scores: Vec<f64> = distances.into_iter().filter(|d| d.is_finite()).collect();
        if scores.is_empty() {
            scores.push(level.scale());
        }
        let mean = season::mean_distance(scores.iter().copied());
        let season = Self {
            profile,
            calibration: Box::new(Calibration::fit(&scores, level.scale())),
        };
        (season, mean)
    }
}

fn too_short(points: usize, period: usize) -> WarningKind {
    WarningKind::ShortForSeason {
        points: points as u64,
        period: period as u64,
    }
}

#[cfg(test)]
mod tests {
    use contract::JudgeOptions;

    use super::*;

    /// A square wave of a day in hours from midnight, with a little noise, 5 values higher on
    /// Saturdays and Sundays if asked.
    fn days(n: usize, weekend: f64) -> Vec<Point> {
        let value = |i: usize| {
            let day = if i % 24 < 12 { 10.0 } else { 20.0 };
            let noise = ((i * 7919) % 101) as f64 / 101.0 - 0.5;
            day + noise + if i / 24 % 7 >= 5 { weekend } else { 0.0 }
        };
        (0..n)
            .map(|i| Point {
                timestamp: 1_700_000_000 + 3_600 * i as i64,
                value: value(i),
            })
            .collect()
    }

    fn fit(points: &[Point], period: Option<f64>) -> (Seasonal, Vec<String>) {
        let params = Params::from_iter(period.map(|period| (PERIOD.name.to_owned(), period)));
        let settings = Settings::new(&params, Seasonal::PARAMS).unwrap();
        let mut warnings = Warnings::default();
        let seasonal = Seasonal::fit(points, &settings, &mut warnings);
        let warnings = warnings.into_vec();
        (seasonal, warnings.iter().map(ToString::to_string).collect())
    }

    fn anomalous(seasonal: &Seasonal, hour: i64, value: f64) -> bool {
        let timestamp = 1_700_000_000 + 3_600 * hour;
        anomalous_at(seasonal, Point { timestamp, value })
    }

    fn anomalous_at(seasonal: &Seasonal, point: Point) -> bool {
        let rule = ScoringRule::new(None, None, &JudgeOptions::default());
        seasonal.score(&mut None, point, &rule).anomaly
    }

    #[test]
    fn what_is_usual_at_another_hour_is_an_anomaly_at_this_one() {
        let (seasonal, warnings) = fit(&days(24 * 20, 0.0), None);
        assert_eq!(
            (seasonal.period(), seasonal.period_time()),
            (Some(24), Some(86_400))
        );
        assert_eq!(warnings, [""; 0]);
        let midnight = 24 * 1_000;
        assert!(!anomalous(&seasonal, midnight, 10.0) && anomalous(&seasonal, midnight, 20.0));
        assert!(
            !anomalous(&seasonal, midnight + 12, 20.0) && anomalous(&seasonal, midnight + 12, 10.0)
        );
    }

    #[test]
    fn the_season_follows_the_clocks_of_a_time_zone() {
        let zone: TimeZone = "Europe/Berlin".parse().unwrap();
        // From 2024-02-01 on; clocks are set forward on 2024-03-31.
        let hour = |i: i64| 1_706_745_600 + 3_600 * i;
        let open = |i: i64| {
            let second = zone.local_seconds(hour(i), contract::TimeUnit::Seconds);
            (8..18).contains(&(second.rem_euclid(86_400) / 3_600))
        };
        let at = |i: i64, value: f64| Point {
            timestamp: hour(i),
            value,
        };
        let noise = |i: i64| ((i * 7919) % 101) as f64 / 101.0;
        let points: Vec<Point> = (0..24 * 40)
            .map(|i| at(i, if open(i) { 20.0 } else { 0.0 } + noise(i)))
            .collect();
        let options = contract::FitOptions {
            timezone: Some(zone.clone()),
            ..contract::FitOptions::default()
        };
        let settings = Settings::of::<Seasonal>(&options).unwrap();
        let seasonal = Seasonal::fit(&points, &settings, &mut Warnings::default());
        let summer = 24 * 100..24 * 102;
        for i in summer {
            let usual = if open(i) { 20.5 } else { 0.5 };
            assert!(!anomalous_at(&seasonal, at(i, usual)), "{i}");
            assert!(anomalous_at(&seasonal, at(i, 20.5 - usual)), "{i}");
        }
    }

    #[test]
    fn a_week_is_found_where_days_differ() {
        let (seasonal, _) = fit(&days(24 * 7 * 8, 5.0), None);
        assert_eq!(seasonal.period(), Some(24 * 7));
        assert_eq!(fit(&days(24 * 7 * 8, 0.0), None).0.period(), Some(24));
    }

    #[test]
    fn gaps_leave_the_season_in_step() {
        let mut points = days(24 * 20, 0.0);
        points.drain(100..137);
        let (seasonal, _) = fit(&points, None);
        assert_eq!(seasonal.period(), Some(24));
        assert!(anomalous(&seasonal, 24 * 50, 20.0) && !anomalous(&seasonal, 24 * 50, 10.0));
    }

    #[test]
    fn missing_doubled_and_late_points_leave_the_season_in_step() {
        let mut points = days(24 * 20, 0.0);
        let mut i = 0;
        points.retain(|_| {
            i += 1;
            i % 4 != 0
        });
        for (i, point) in points.iter_mut().enumerate() {
            point.timestamp += i as i64 * 37 % 60;
        }
        let twice = |p: Point| [p; 2].into_iter().take(1 + usize::from(p.value > 19.9));
        let points: Vec<Point> = points.into_iter().flat_map(twice).collect();
        let (seasonal, _) = fit(&points, None);
        assert_eq!(
            (seasonal.period(), seasonal.period_time()),
            (Some(24), Some(86_400))
        );
        assert!(anomalous(&seasonal, 24 * 50, 20.0) && !anomalous(&seasonal, 24 * 50, 10.0));
    }

    #[test]
    fn noise_that_depends_on_itself_has_no_season() {
        let mut state = 7_u64;
        let mut chance = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1_u64 << 24) as f64 - 0.5
        };
        for n in [200, 500, 1_000] {
            for persistence in [0.0, 0.9, 0.99] {
                for _ in 0..20 {
                    let mut value = 0.0;
                    let mut next = |i: i64| {
                        value = persistence * value + chance();
                        Point {
                            timestamp: 1_700_000_000 + 3_600 * i,
                            value,
                        }
                    };
                    let points: Vec<Point> = (0..n).map(&mut next).collect();
                    assert_eq!(fit(&points, None).0.period(), None, "{n} {persistence}");
                }
            }
        }
    }

    #[test]
    fn two_days_are_too_few_for_a_season_of_a_day() {
        assert_eq!(
            fit(&days(50, 0.0), None).1,
            ["50 points are too few for a season of 24: three seasons are needed"]
        );
    }

    #[test]
    fn without_a_season_the_level_is_all_there_is() {
        let (seasonal, warnings) = fit(&days(40, 0.0), Some(24.0));
        assert_eq!(seasonal.period(), None);
        assert_eq!(
            warnings,
            ["40 points are too few for a season of 24: three seasons are needed"]
        );
        assert!(anomalous(&seasonal, 50, 1e3));
        let mut state = 1_u32;
        let mut chance = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8)
        };
        let noise: Vec<Point> = (0..3_000)
            .map(|timestamp| Point {
                timestamp,
                value: chance(),
            })
            .collect();
        assert_eq!(
            fit(&noise, None).1,
            ["no season was found: every point is compared with the level"]
        );
    }
}
