//! Rows that are written together: one statement in Postgres, and one a row in SQLite, where a
//! statement costs no round trip.

use std::{borrow::Cow, fmt::Write};

use crate::registry::connection::Connection;

/// Rows of one table, column by column.
pub(super) struct Bulk<'a> {
    table: &'static str,
    columns: Vec<(&'static str, Column<'a>)>,
}

enum Column<'a> {
    Numbers(Vec<Option<i64>>),
    Reals(Vec<f64>),
    Flags(Vec<bool>),
    Texts(Vec<Option<Cow<'a, str>>>),
    /// Texts for a column of this type.
    Json(&'static str, Vec<String>),
    Bytes(Vec<Cow<'a, [u8]>>),
}

impl<'a> Bulk<'a> {
    /// Rows of `table`, still without columns.
    pub(super) fn of(table: &'static str) -> Self {
        let columns = Vec::new();
        Self { table, columns }
    }

    /// Adds a column of numbers.
    pub(super) fn numbers<N: Into<Option<i64>>>(
        mut self,
        name: &'static str,
        numbers: impl IntoIterator<Item = N>,
    ) -> Self {
        let numbers = numbers.into_iter().map(Into::into).collect();
        self.columns.push((name, Column::Numbers(numbers)));
        self
    }

    /// Adds a column of floating-point numbers.
    pub(super) fn reals(
        mut self,
        name: &'static str,
        reals: impl IntoIterator<Item = f64>,
    ) -> Self {
        let reals = reals.into_iter().collect();
        self.columns.push((name, Column::Reals(reals)));
        self
    }

    /// Adds a column of truth values.
    pub(super) fn flags(
        mut self,
        name: &'static str,
        flags: impl IntoIterator<Item = bool>,
    ) -> Self {
        let flags = flags.into_iter().collect();
        self.columns.push((name, Column::Flags(flags)));
        self
    }

    /// Adds a column of texts.
    pub(super) fn texts<T: Into<Cow<'a, str>>>(
        self,
        name: &'static str,
        texts: impl IntoIterator<Item = T>,
    ) -> Self {
        self.optional_texts(name, texts.into_iter().map(Some))
    }

    /// Adds a column of texts, some of which are null.
    pub(super) fn optional_texts<T: Into<Cow<'a, str>>>(
        mut self,
        name: &'static str,
        texts: impl IntoIterator<Item = Option<T>>,
    ) -> Self {
        let texts = texts.into_iter().map(|text| text.map(Into::into));
        self.columns.push((name, Column::Texts(texts.collect())));
        self
    }

    /// Adds a column of JSON, which is of type `kind` in Postgres.
    pub(super) fn json(
        mut self,
        name: &'static str,
        kind: &'static str,
        texts: impl IntoIterator<Item = String>,
    ) -> Self {
        let texts = texts.into_iter().collect();
        self.columns.push((name, Column::Json(kind, texts)));
        self
    }

    /// Adds a column of bytes.
    pub(super) fn bytes<B: Into<Cow<'a, [u8]>>>(
        mut self,
        name: &'static str,
        bytes: impl IntoIterator<Item = B>,
    ) -> Self {
        let bytes = bytes.into_iter().map(Into::into).collect();
        self.columns.push((name, Column::Bytes(bytes)));
        self
    }

    /// Inserts the rows. `conflict` is what follows the rows in the statement. In Postgres it must
    /// not meet one row twice.
    pub(super) async fn insert(
        self,
        connection: &mut Connection<'_>,
        conflict: &str,
    ) -> Result<(), sqlx::Error> {
        if self.rows() == 0 {
            return Ok(());
        }
        match connection {
            Connection::Postgres(connection) => {
                let source = |statement: &mut String| self.arrays(statement);
                let statement = self.statement(source, conflict);
                let mut query = sqlx::query(&statement);
                for (_, column) in &self.columns {
                    query = match column {
                        Column::Numbers(numbers) => query.bind(numbers),
                        Column::Reals(reals) => query.bind(reals),
                        Column::Flags(flags) => query.bind(flags),
                        Column::Texts(texts) => query.bind(texts),
                        Column::Json(_, texts) => query.bind(texts),
                        Column::Bytes(bytes) => {
                            query.bind(bytes.iter().map(|bytes| &**bytes).collect::<Vec<&[u8]>>())
                        }
                    };
                }
                query.execute(&mut **connection).await?;
            }
            Connection::Sqlite(connection) => {
                let statement = self.statement(|statement| self.values(statement), conflict);
                for row in 0..self.rows() {
                    let mut query = sqlx::query(&statement);
                    for (_, column) in &self.columns {
                        query = match column {
                            Column::Numbers(numbers) => query.bind(numbers[row]),
                            Column::Reals(reals) => query.bind(reals[row]),
                            Column::Flags(flags) => query.bind(flags[row]),
                            Column::Texts(texts) => query.bind(texts[row].as_deref()),
                            Column::Json(_, texts) => query.bind(&texts[row]),
                            Column::Bytes(bytes) => query.bind(&*bytes[row]),
                        };
                    }
                    query.execute(&mut **connection).await?;
                }
            }
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        let first = self.columns.first();
        first.map_or(0, |(_, column)| match column {
            Column::Numbers(numbers) => numbers.len(),
            Column::Reals(reals) => reals.len(),
            Column::Flags(flags) => flags.len(),
            Column::Texts(texts) => texts.len(),
            Column::Json(_, texts) => texts.len(),
            Column::Bytes(bytes) => bytes.len(),
        })
    }

    fn statement(&self, source: impl FnOnce(&mut String), conflict: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let mut statement = format!("INSERT INTO {} ({}) ", self.table, names.join(", "));
        source(&mut statement);
        statement.push(' ');
        statement.push_str(conflict);
        statement
    }

    /// The rows as arrays, one for each column.
    fn arrays(&self, statement: &mut String) {
        statement.push_str("SELECT * FROM UNNEST(");
        for (n, (_, column)) in (1..).zip(&self.columns) {
            let kind = match column {
                Column::Numbers(_) => "bigint",
                Column::Reals(_) => "double precision",
                Column::Flags(_) => "boolean",
                Column::Texts(_) => "text",
                Column::Json(kind, _) => kind,
                Column::Bytes(_) => "bytea",
            };
            let comma = if n > 1 { ", " } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(statement, "{comma}${n}::{kind}[]");
        }
        statement.push(')');
    }

    /// One row.
    fn values(&self, statement: &mut String) {
        let places: Vec<String> = (1..=self.columns.len()).map(|n| format!("${n}")).collect();
        let _ = write!(statement, "VALUES ({})", places.join(", "));
    }
}
