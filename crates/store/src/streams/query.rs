//! Conditions of a list, as SQL that both databases understand, and cursors.

use std::fmt::Write;

use contract::{
    AnomalyId, AnomalyKind, IncidentId, Labels, Moment, OpenStatus, SeriesId, Severity,
};

use super::effects::rank;
use crate::{StoreError, registry::prefix::range};

/// The anomalies to list. All conditions must hold; `None` is no condition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AnomalyQuery {
    /// Found then or later.
    pub since: Option<Moment>,
    /// Found then or earlier.
    pub until: Option<Moment>,
    /// The point at which it was found has this timestamp or a later one.
    pub from: Option<i64>,
    /// The point at which it was found has this timestamp or an earlier one.
    pub to: Option<i64>,
    /// Of this series.
    pub series: Option<SeriesId>,
    /// Of a series whose id begins with this text.
    pub prefix: Option<String>,
    /// Of a series whose id begins with one of these texts: those that the caller may see.
    pub prefixes: Option<Vec<String>>,
    /// Of series with all of these labels.
    pub labels: Vec<(String, String)>,
    /// Of this kind.
    pub kind: Option<AnomalyKind>,
    /// Of this severity or a greater one.
    pub severity: Option<Severity>,
    /// Open or closed.
    pub status: Option<OpenStatus>,
    /// The order.
    pub order: AnomalyOrder,
    /// The most anomalies of a page: 1 to 1,000. A number beyond counts as the nearest of these.
    pub limit: u32,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// The order of anomalies in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnomalyOrder {
    /// The latest first.
    #[default]
    Time,
    /// The strongest first.
    Ratio,
}

/// A parameter of a statement that owns its text.
pub(super) enum Parameter {
    Number(i64),
    Real(f64),
    Text(String),
}

/// A statement that is put together of conditions.
pub(super) struct Select {
    text: String,
    pub(super) parameters: Vec<Parameter>,
}

impl Select {
    /// Begins with `text`, which may have a condition but must have a `WHERE`.
    pub(super) fn of(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            parameters: Vec::new(),
        }
    }

    /// Adds a condition in which each `?` stands for the next of `parameters`.
    pub(super) fn and<const N: usize>(&mut self, condition: &str, parameters: [Parameter; N]) {
        self.text.push_str(" AND ");
        self.add(condition, parameters);
    }

    /// Adds text in which each `?` stands for the next of `parameters`.
    pub(super) fn add<const N: usize>(&mut self, text: &str, parameters: [Parameter; N]) {
        let mut parts = text.split('?');
        self.text.push_str(parts.next().unwrap_or_default());
        for (part, parameter) in parts.zip(parameters) {
            self.parameters.push(parameter);
            // Writing to a string cannot fail.
            let _ = write!(self.text, "${}{part}", self.parameters.len());
        }
    }

    /// Adds the condition that the column `series_id` begins with one of `prefixes`.
    pub(super) fn and_prefixed(&mut self, prefixes: &[String]) {
        self.text.push_str(" AND (1 = 0");
        for prefix in prefixes.iter().filter(|p| !p.contains(char::is_control)) {
            let (from, to) = range(prefix, None);
            let bounds = [Parameter::Text(from), Parameter::Text(to)];
            self.add(" OR (series_id >= ? AND series_id < ?)", bounds);
        }
        self.text.push(')');
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl AnomalyQuery {
    /// The most anomalies of a page.
    pub(super) fn limit(&self) -> usize {
        page(self.limit)
    }

    /// Adds its conditions, its order and its limit, and one more to know whether there are more.
    /// `has_label` is the condition of a label, its name and its value.
    pub(super) fn write(&self, select: &mut Select, has_label: &Label) -> Result<(), StoreError> {
        use Parameter::{Number, Real, Text};
        let numbers = [
            ("opened_at >= ?", self.since.map(|at| at.0)),
            ("opened_at <= ?", self.until.map(|at| at.0)),
            ("start >= ?", self.from),
            ("start <= ?", self.to),
            ("severity >= ?", self.severity.map(rank)),
        ];
        for (condition, number) in numbers {
            if let Some(number) = number {
                select.and(condition, [Number(number)]);
            }
        }
        if let Some(series) = &self.series {
            select.and("series_id = ?", [Text(series.to_string())]);
        }
        if let Some(prefix) = &self.prefix {
            select.and_prefixed(std::slice::from_ref(prefix));
        }
        if let Some(prefixes) = &self.prefixes {
            select.and_prefixed(prefixes);
        }
        for (name, value) in &self.labels {
            has_label(select, name, value);
        }
        if let Some(kind) = self.kind {
            select.and("kind = ?", [Text(kind.as_str().to_owned())]);
        }
        match self.status {
            Some(OpenStatus::Open) => select.and("is_open", []),
            Some(OpenStatus::Closed) => select.and("NOT is_open", []),
            None => {}
        }
        let column = match self.order {
            AnomalyOrder::Time => "opened_at",
            AnomalyOrder::Ratio => "ratio",
        };
        if let Some(after) = &self.after {
            let (at, id) = cursor(after)?;
            let id = Text(AnomalyId(id).to_string());
            let at = match self.order {
                AnomalyOrder::Time => Number(at),
                AnomalyOrder::Ratio => Real(f64::from_bits(at.cast_unsigned())),
            };
            select.and(&format!("({column}, anomaly_id) < (?, ?)"), [at, id]);
        }
        let limit = i64::try_from(self.limit() + 1).unwrap_or(i64::MAX);
        let end = format!(" ORDER BY {column} DESC, anomaly_id DESC LIMIT ?");
        select.add(&end, [Number(limit)]);
        Ok(())
    }

    /// The cursor after an anomaly.
    pub(super) fn next(&self, opened_at: i64, ratio: f64, id: &str) -> String {
        match self.order {
            AnomalyOrder::Time => format!("{opened_at}.{id}"),
            AnomalyOrder::Ratio => format!("{}.{id}", ratio.to_bits().cast_signed()),
        }
    }
}

/// Adds the condition that a row has a label.
pub(super) type Label = fn(&mut Select, &str, &str);

/// A label in Postgres, where an index knows all of them.
pub(super) fn postgres_label(select: &mut Select, name: &str, value: &str) {
    let label = Labels::from([(name.to_owned(), value.to_owned())]);
    // Texts always can be written. No stored label has a NUL, which Postgres refuses.
    let label = serde_json::to_string(&label).unwrap_or_default();
    match name.contains('\0') || value.contains('\0') {
        true => select.and("1 = 0", []),
        false => select.and("labels @> ?::jsonb", [Parameter::Text(label)]),
    }
}

/// A label in SQLite.
pub(super) fn sqlite_label(select: &mut Select, name: &str, value: &str) {
    const HAS: &str = "EXISTS (SELECT 1 FROM json_each(labels) l WHERE l.key = ? AND l.value = ?)";
    let label = [name, value].map(|text| Parameter::Text(text.to_owned()));
    select.and(HAS, label);
}

/// The most rows of a page.
pub(super) fn page(limit: u32) -> usize {
    limit.clamp(1, 1_000) as usize
}

/// The number and the id in a cursor.
pub(super) fn cursor(text: &str) -> Result<(i64, u128), StoreError> {
    let parts = text.split_once('.').and_then(|(number, id)| {
        let id: IncidentId = id.parse().ok()?;
        Some((number.parse().ok()?, id.0))
    });
    parts.ok_or_else(|| StoreError::BadCursor(text.to_owned()))
}
