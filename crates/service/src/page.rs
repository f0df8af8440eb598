//! The length of a page of a list.

use std::ops::RangeInclusive;

use http_server::{BadParameter, Query};

/// The number of entries that a page may have.
const LIMITS: RangeInclusive<u32> = 1..=1000;

/// The number of entries of a page unless the request names one.
const DEFAULT_LIMIT: u32 = 100;

/// The parameter `limit` of `query`: 1 to 1000, by default 100.
///
/// # Errors
/// When it is anything else.
pub fn limit(query: &Query<'_>) -> Result<u32, BadParameter> {
    let Some(text) = query.get("limit")? else {
        return Ok(DEFAULT_LIMIT);
    };
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let limit = text
        .parse()
        .ok()
        .filter(|limit| digits && LIMITS.contains(limit));
    limit.ok_or_else(|| {
        let (least, most) = (LIMITS.start(), LIMITS.end());
        let rule = format!("it is not a whole number from {least} to {most}");
        BadParameter::invalid("limit", rule)
    })
}
