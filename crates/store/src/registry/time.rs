//! Times, as both databases give them.

use chrono::{DateTime, SecondsFormat};
use sqlx::{
    Database, Decode, Postgres, Sqlite, Type, error::BoxDynError, postgres::PgTypeInfo,
    sqlite::SqliteTypeInfo,
};

use crate::{StoreError, columns::unreadable};

/// Milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(i64);

/// Microseconds from 1970 to 2000, where Postgres begins to count.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

impl Type<Sqlite> for Time {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(kind: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(kind)
    }
}

impl<'r> Decode<'r, Postgres> for Time {
    fn decode(value: <Postgres as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        let micros = <i64 as Decode<Postgres>>::decode(value)?;
        Ok(Self(
            micros.saturating_add(POSTGRES_EPOCH).div_euclid(1_000),
        ))
    }
}

impl<'r> Decode<'r, Sqlite> for Time {
    fn decode(value: <Sqlite as Database>::ValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<Sqlite>>::decode(value).map(Self)
    }
}

impl Time {
    /// The time as RFC 3339 in UTC, with milliseconds.
    pub(super) fn text(self) -> Result<String, StoreError> {
        let time = DateTime::from_timestamp_millis(self.0)
            .ok_or_else(|| unreadable(format!("{} is not a time", self.0)))?;
        Ok(time.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_milliseconds() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Time(time).text().unwrap(), text);
        }
        assert!(Time(i64::MAX).text().is_err());
    }
}
