//! When a notification that could not be sent is tried again.

use std::time::{Duration, SystemTime};

/// The pauses after each try but the last, in seconds, before they are made a little random.
const PAUSES: [u64; 9] = [
    5,
    5 * 60,
    30 * 60,
    2 * 3_600,
    5 * 3_600,
    10 * 3_600,
    14 * 3_600,
    20 * 3_600,
    24 * 3_600,
];
/// The longest pause that a receiver may ask for.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// How long to wait after the try number `attempts`, counted from 1. `asked` is what the receiver
/// wants at least; `random` is in `[0, 1)`. `None`: that was the last one.
pub(crate) fn pause(attempts: i64, asked: Option<Duration>, random: f64) -> Option<Duration> {
    let n = usize::try_from(attempts - 1).ok()?;
    let seconds = PAUSES.get(n)?;
    let pause = Duration::from_secs(*seconds).mul_f64(1.0 + random / 10.0);
    Some(pause.max(asked.unwrap_or_default().min(LONGEST)))
}

/// The value of a header `retry-after`: seconds, or a date.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let at = httpdate::parse_http_date(value.trim()).ok()?;
            at.duration_since(now).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn pauses_grow_and_the_tenth_try_is_the_last() {
        assert_eq!(pause(1, None, 0.0), Some(seconds(5)));
        assert_eq!(pause(2, None, 0.5), Some(seconds(315)));
        assert_eq!(pause(9, None, 0.0), Some(seconds(86_400)));
        assert_eq!(pause(10, None, 0.0), None);
    }

    #[test]
    fn a_receiver_can_ask_for_a_longer_pause_of_a_day_at_most() {
        assert_eq!(pause(1, Some(seconds(60)), 0.0), Some(seconds(60)));
        assert_eq!(pause(1, Some(seconds(1)), 0.0), Some(seconds(5)));
        assert_eq!(pause(1, Some(seconds(1 << 40)), 0.0), Some(LONGEST));
        let now = SystemTime::UNIX_EPOCH;
        assert_eq!(retry_after(" 120 ", now), Some(seconds(120)));
        let date = "Thu, 01 Jan 1970 00:01:00 GMT";
        assert_eq!(retry_after(date, now), Some(seconds(60)));
        assert_eq!(retry_after(date, now + seconds(61)), None);
        assert_eq!(retry_after("soon", now), None);
    }
}
