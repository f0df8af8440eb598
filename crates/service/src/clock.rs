//! The clock of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use contract::Moment;

/// The present. 1970 if the clock is before that.
pub fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.unwrap_or_default().as_millis();
    Moment(i64::try_from(ms).unwrap_or(i64::MAX))
}
