//! A connection to either database, for statements that both understand.

use sqlx::{FromRow, PgConnection, SqliteConnection, postgres::PgRow, sqlite::SqliteRow};

use super::sql::{self, Dialect};

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Number(Option<i64>),
    Text(Option<&'a str>),
    Real(f64),
}

/// A row of either database.
pub(crate) trait Row:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{
}

impl<R> Row for R where R: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{}

/// A connection, within a transaction if something is changed.
pub(crate) enum Connection<'c> {
    Postgres(&'c mut PgConnection),
    Sqlite(&'c mut SqliteConnection),
}

macro_rules! fetch {
    ($connection:expr, $statement:expr, $values:expr) => {{
        let mut query = sqlx::query_as($statement);
        for value in $values {
            query = match *value {
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::Real(real) => query.bind(real),
            };
        }
        query.fetch_all(&mut **$connection).await
    }};
}

impl Connection<'_> {
    /// Runs `statement` and returns its rows. `()` stands for a row without columns of interest.
    pub(crate) async fn run<R: Row>(
        &mut self,
        statement: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<R>, sqlx::Error> {
        match self {
            Self::Postgres(connection) => fetch!(connection, statement, values),
            Self::Sqlite(connection) => fetch!(connection, statement, values),
        }
    }

    /// The statements that only this database understands.
    pub(crate) fn dialect(&self) -> &'static Dialect {
        match self {
            Self::Postgres(_) => &sql::POSTGRES,
            Self::Sqlite(_) => &sql::SQLITE,
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}
