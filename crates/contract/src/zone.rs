//! Civil time zones: what a clock on the wall shows at a timestamp.

use std::{fmt, str::FromStr, sync::LazyLock};

use jiff::{
    Timestamp,
    tz::{TimeZone as Rules, TimeZoneDatabase},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::TimeUnit;

/// A time zone of the IANA database, such as `Europe/Berlin`. The database is compiled in.
#[derive(Clone)]
pub struct TimeZone {
    name: String,
    rules: Rules,
}

/// A text that does not name a time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time zone of the IANA database, such as Europe/Berlin")]
pub struct UnknownTimeZone(String);

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

impl TimeZone {
    /// The name in the database, in its spelling.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The seconds that a clock on the wall has counted at `timestamp` since its 1970-01-01 00:00:
    /// those of UTC and the offset of the zone at that moment. Fractions of a second are cut off.
    ///
    /// When clocks are set back an hour comes twice; when they are set forward one is left out. The
    /// time of day is this modulo 86,400, day 0 was a Thursday.
    ///
    /// Beyond the years -9999 to 9999 the offset of the last moment within them is used.
    pub fn local_seconds(&self, timestamp: i64, unit: TimeUnit) -> i64 {
        let seconds = timestamp.div_euclid(unit.per_second());
        let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        let moment = Timestamp::from_second(seconds.clamp(first, last)).unwrap_or_default();
        seconds.saturating_add(self.rules.to_offset(moment).seconds().into())
    }

    /// The seconds of UTC at which a clock on the wall has counted `local` seconds since its
    /// 1970-01-01 00:00. Where clocks are set back there are two such moments, which come in their
    /// order; else both are the same. A time that is left out when clocks are set forward is taken
    /// as if they had not been.
    pub fn utc_seconds(&self, local: i64) -> [i64; 2] {
        const DAY: i64 = 86_400;
        // The offsets before and after any change of clocks nearby.
        let [first, second] = [-DAY, DAY].map(|day| {
            let near = local.saturating_add(day);
            let offset = self
                .local_seconds(near, TimeUnit::Seconds)
                .saturating_sub(near);
            local.saturating_sub(offset)
        });
        let shows = |utc: i64| self.local_seconds(utc, TimeUnit::Seconds) == local;
        match (shows(first), shows(second)) {
            (true, true) => [first, second],
            (false, true) => [second; 2],
            _ => [first; 2],
        }
    }

    /// `timestamp` as if the clock on the wall showed UTC, in the same unit. A timestamp that is not
    /// a date stays as it is: see [`TimeUnit::guess`].
    pub fn local_timestamp(&self, timestamp: i64) -> i64 {
        let Some(unit) = TimeUnit::guess(timestamp) else {
            return timestamp;
        };
        let seconds = timestamp.div_euclid(unit.per_second());
        let offset = self.local_seconds(timestamp, unit).saturating_sub(seconds);
        timestamp.saturating_add(offset.saturating_mul(unit.per_second()))
    }
}

impl FromStr for TimeZone {
    type Err = UnknownTimeZone;

    fn from_str(name: &str) -> Result<Self, UnknownTimeZone> {
        let unknown = || UnknownTimeZone(name.chars().take(MAX_NAME).collect());
        let rules = DATABASE.get(name).map_err(|_| unknown())?;
        let name = rules.iana_name().ok_or_else(unknown)?.to_owned();
        Ok(Self { name, rules })
    }
}

/// The number of characters of a wrong name that the message repeats.
const MAX_NAME: usize = 64;

impl PartialEq for TimeZone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeZone({})", self.name)
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn zone(name: &str) -> TimeZone {
        name.parse().unwrap()
    }

    /// Hour and minute on the wall.
    fn clock(zone: &TimeZone, timestamp: i64, unit: TimeUnit) -> (i64, i64) {
        let second = zone.local_seconds(timestamp, unit).rem_euclid(DAY);
        (second / 3_600, second / 60 % 60)
    }

    #[test]
    fn a_time_on_the_wall_comes_once_twice_or_never() {
        let berlin = zone("Europe/Berlin");
        // 2024-06-01 12:00, 2024-10-27 02:30 (twice), 2024-03-31 02:30 (left out).
        assert_eq!(berlin.utc_seconds(1_717_243_200), [1_717_236_000; 2]);
        assert_eq!(
            berlin.utc_seconds(1_729_996_200),
            [1_729_989_000, 1_729_992_600]
        );
        assert_eq!(berlin.utc_seconds(1_711_852_200), [1_711_848_600; 2]);
        assert_eq!(zone("UTC").utc_seconds(-5), [-5; 2]);
    }

    #[test]
    fn clocks_are_set_forward_and_back() {
        let berlin = zone("Europe/Berlin");
        // 2024-03-31 01:00 UTC: from 02:00 to 03:00; 2024-10-27 01:00 UTC: from 03:00 to 02:00.
        for (seconds, before, after) in [
            (1_711_846_800, (1, 59), (3, 0)),
            (1_729_990_800, (2, 59), (2, 0)),
        ] {
            for unit in [
                TimeUnit::Seconds,
                TimeUnit::Milliseconds,
                TimeUnit::Microseconds,
                TimeUnit::Nanoseconds,
            ] {
                let moment = seconds * unit.per_second();
                assert_eq!(clock(&berlin, moment - 1, unit), before, "{unit:?}");
                assert_eq!(clock(&berlin, moment, unit), after, "{unit:?}");
            }
        }
        // The rules go on for ever: 2090-07-01 10:00 UTC is summer time, too.
        let summer = clock(&berlin, 3_802_586_400, TimeUnit::Seconds);
        assert_eq!(summer, (12, 0));
    }

    #[test]
    fn zones_have_offsets_of_less_than_an_hour_and_none_at_all() {
        let noon = 1_700_049_600; // 2023-11-15 12:00 UTC
        for (name, shown) in [
            ("UTC", (12, 0)),
            ("Asia/Kolkata", (17, 30)),
            ("Asia/Kathmandu", (17, 45)),
            ("America/New_York", (7, 0)),
            ("Australia/Lord_Howe", (23, 0)),
        ] {
            assert_eq!(clock(&zone(name), noon, TimeUnit::Seconds), shown, "{name}");
        }
    }

    #[test]
    fn any_timestamp_has_a_local_time() {
        let zone = zone("America/Sao_Paulo");
        for timestamp in [i64::MIN, i64::MAX, 0, -1] {
            zone.local_seconds(timestamp, TimeUnit::Seconds);
            zone.local_seconds(timestamp, TimeUnit::Nanoseconds);
        }
        assert_eq!(zone.local_seconds(-1, TimeUnit::Milliseconds), -10_801);
        let milliseconds = 1_700_000_000_123;
        assert_eq!(
            zone.local_timestamp(milliseconds),
            milliseconds - 10_800_000
        );
        assert_eq!(zone.local_timestamp(7), 7);
    }

    #[test]
    fn names_are_those_of_the_database() {
        assert_eq!(zone("europe/berlin").name(), "Europe/Berlin");
        assert_eq!(zone("Europe/Berlin"), zone("EUROPE/BERLIN"));
        for name in ["", "Mars/Olympus", "+02:00", "../etc/passwd", "Europe"] {
            let refused = name.parse::<TimeZone>().unwrap_err().to_string();
            assert!(refused.contains("is not a time zone"), "{refused}");
        }
        let json = serde_json::to_string(&zone("Asia/Tokyo")).unwrap();
        assert_eq!(json, r#""Asia/Tokyo""#);
        assert_eq!(
            serde_json::from_str::<TimeZone>(&json).unwrap(),
            zone("Asia/Tokyo")
        );
    }
}
