//! Rows of the tables, as both databases give them, and their meaning.

use std::{fmt::Display, str::FromStr};

use contract::{
    AliasInfo, DetectorName, ListedSeries, ModelInfo, Params, Revision, SeriesDetail, SeriesId,
    SeriesSummary, Source, Version, VersionRef,
};
use detector::StoredModel;

use super::{
    Ready, Serving,
    change::{Alias, State},
    connection::Value,
    document::Document,
    receipt::Receipt,
    time::Time,
};
use crate::{
    Refusal, StoreError, VersionedModel,
    columns::{number, revision, stored_model, unreadable, unsigned, version},
};

/// A row that both databases give, with a column for each field, and with parts that read columns
/// of the same row. Written by hand because sqlx's derive has all database drivers built a second
/// time, for the compiler.
macro_rules! row {
    ($(#[$about:meta])* $name:ident { $($column:ident: $kind:ty,)* } $(with { $($part:ident: $of:ty,)* })?) => {
        $(#[$about])*
        pub(crate) struct $name {
            $($column: $kind,)*
            $($($part: $of,)*)?
        }

        impl sqlx::FromRow<'_, sqlx::postgres::PgRow> for $name {
            fn from_row(row: &sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
                Ok(Self {
                    $($column: sqlx::Row::try_get(row, stringify!($column))?,)*
                    $($($part: <$of as sqlx::FromRow<'_, _>>::from_row(row)?,)*)?
                })
            }
        }

        impl sqlx::FromRow<'_, sqlx::sqlite::SqliteRow> for $name {
            fn from_row(row: &sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
                Ok(Self {
                    $($column: sqlx::Row::try_get(row, stringify!($column))?,)*
                    $($($part: <$of as sqlx::FromRow<'_, _>>::from_row(row)?,)*)?
                })
            }
        }
    };
}

pub(crate) use row;

row! {
    /// A row of `SERVING`.
    ServingRow {
        revision: i64,
        version: Option<i64>,
        model: Option<Document>,
        aliases: Option<String>,
    }
}

impl ServingRow {
    pub(crate) fn read(mut self, series: &SeriesId) -> Result<Serving, StoreError> {
        let model = self.version.zip(self.model.take());
        let model = model.map(|(number, document)| stored_model(series, number, &document.0));
        Ok(Serving {
            model: model.transpose()?,
            ..self.version()?.0
        })
    }

    /// All but the model, and the version of that.
    pub(crate) fn version(self) -> Result<(Serving, Option<Version>), StoreError> {
        let mut words = self
            .aliases
            .as_deref()
            .unwrap_or_default()
            .split_whitespace();
        let mut aliases = Vec::new();
        while let Some((name, number)) = words.next().zip(words.next()) {
            aliases.push((parse(name)?, version(parse(number)?)?));
        }
        let serving = Serving {
            revision: revision(self.revision)?,
            model: None,
            aliases,
        };
        Ok((serving, self.version.map(version).transpose()?))
    }
}

row! {
    /// A row of `bump_revision` and `IS_READY`.
    ReadyRow {
        revision: i64,
        serving: Option<i64>,
    }
}

impl ReadyRow {
    /// The series of a version that is ready.
    pub(crate) fn read(self) -> Result<Ready, StoreError> {
        let serving = self
            .serving
            .ok_or_else(|| unreadable("a series with a ready version serves none".into()))?;
        Ok(Ready {
            revision: self.revision()?,
            serving: version(serving)?,
        })
    }

    pub(crate) fn revision(&self) -> Result<Revision, StoreError> {
        revision(self.revision)
    }
}

row! {
    /// A row of `receipt`.
    ReceiptRow {
        digest: String,
        version: i64,
        revision: i64,
        serving: i64,
        reply: String,
    }
}

impl ReceiptRow {
    pub(crate) fn read(self) -> Result<Receipt, StoreError> {
        Ok(Receipt {
            digest: self.digest,
            reply: self.reply,
            version: version(self.version)?,
            ready: Ready {
                revision: revision(self.revision)?,
                serving: version(self.serving)?,
            },
        })
    }
}

row! {
    /// A row of `MODEL`.
    ModelRow {
        version: i64,
        model: Document,
        source: String,
    }
}

impl ModelRow {
    pub(crate) fn read(self, series: &SeriesId) -> Result<VersionedModel, StoreError> {
        stored_model(series, self.version, &self.model.0)
    }

    /// Whether its training points are stored here, or on their way.
    pub(crate) fn has_points(&self) -> bool {
        self.source == Source::Fit.as_str()
    }
}

row! {
    /// A row of `LIST`. Without a model only `models` is known of them, and is 0.
    ListedRow {
        series_id: String,
        phase: Option<String>,
        revision: Option<i64>,
        changed_at: Option<Time>,
        serving: Option<i64>,
        newest: Option<i64>,
        models: i64,
    }
}

impl ListedRow {
    pub(crate) fn read(self) -> Result<ListedSeries, StoreError> {
        Ok(ListedSeries {
            series_id: parse(&self.series_id)?,
            serving: self.serving.map(version).transpose()?,
            newest: self.newest.map(version).transpose()?,
            models: unsigned(self.models)?,
            changed_at: self.changed_at.map(|at| at.text()).transpose()?,
            revision: self.revision.map(revision).transpose()?,
            stream: self.phase.as_deref().map(parse).transpose()?,
        })
    }
}

row! {
    /// A row of a series with a model.
    SummaryRow {
        series_id: String,
        revision: i64,
        changed_at: Option<Time>,
        serving: i64,
        newest: i64,
        models: i64,
    }
}

impl SummaryRow {
    pub(crate) fn read(self) -> Result<SeriesSummary, StoreError> {
        let changed_at = self
            .changed_at
            .ok_or_else(|| unreadable("no time of change".into()))?;
        Ok(SeriesSummary {
            series_id: parse(&self.series_id)?,
            serving: version(self.serving)?,
            newest: version(self.newest)?,
            models: unsigned(self.models)?,
            changed_at: changed_at.text()?,
            revision: revision(self.revision)?,
        })
    }
}

row! {
    /// A row of `ALIAS`. All columns are null for a series without aliases.
    AliasRow {
        name: Option<String>,
        version: Option<i64>,
        previous: Option<i64>,
        set_at: Option<Time>,
    }
}

impl AliasRow {
    pub(crate) fn read(self) -> Result<Option<AliasInfo>, StoreError> {
        let (Some(name), Some(number), Some(set_at)) = (self.name, self.version, self.set_at)
        else {
            return Ok(None);
        };
        Ok(Some(AliasInfo {
            name: parse(&name)?,
            version: version(number)?,
            previous: self.previous.map(version).transpose()?,
            changed_at: set_at.text()?,
        }))
    }
}

row! {
    /// A row of `DETAIL`.
    DetailRow {
    } with {
        summary: SummaryRow,
        alias: AliasRow,
    }
}

/// The series that `rows` describe. `None` if there are none.
pub(crate) fn detail(rows: Vec<DetailRow>) -> Result<Option<SeriesDetail>, StoreError> {
    let mut detail: Option<SeriesDetail> = None;
    for row in rows {
        let alias = row.alias.read()?;
        let detail = match &mut detail {
            Some(detail) => detail,
            None => detail.insert(SeriesDetail {
                summary: row.summary.read()?,
                aliases: Vec::new(),
            }),
        };
        detail.aliases.extend(alias);
    }
    Ok(detail)
}

row! {
    /// A row of `INFO`.
    InfoRow {
        revision: i64,
        version: i64,
        detector: String,
        params: String,
        points: i64,
        created_at: Time,
        fit_ms: f64,
        first_timestamp: i64,
        last_timestamp: i64,
        size_bytes: i64,
        checksum: String,
        source: String,
        aliases: Option<String>,
        serving: bool,
    }
}

impl InfoRow {
    pub(crate) fn read(self) -> Result<(Revision, ModelInfo), StoreError> {
        let names = self
            .aliases
            .as_deref()
            .unwrap_or_default()
            .split_whitespace();
        let info = ModelInfo {
            version: version(self.version)?,
            detector: parse::<DetectorName>(&self.detector)?,
            params: serde_json::from_str::<Params>(&self.params)
                .map_err(|error| unreadable(error.to_string()))?,
            points: unsigned(self.points)?,
            created_at: self.created_at.text()?,
            fit_ms: self.fit_ms,
            first_timestamp: self.first_timestamp,
            last_timestamp: self.last_timestamp,
            size_bytes: unsigned(self.size_bytes)?,
            checksum: self.checksum,
            source: parse(&self.source)?,
            aliases: names.map(parse).collect::<Result<_, _>>()?,
            serving: self.serving,
        };
        Ok((revision(self.revision)?, info))
    }
}

row! {
    /// A row of `DOCUMENT`.
    DocumentRow {
        model: Document,
    } with {
        info: InfoRow,
    }
}

impl DocumentRow {
    pub(crate) fn read(self, series: &SeriesId) -> Result<(ModelInfo, String), StoreError> {
        // A damaged document must not be exported as if it were intact.
        stored_model(series, self.info.version, &self.model.0)?;
        let (_, info) = self.info.read()?;
        Ok((info, self.model.0))
    }
}

/// The state of a series, from the rows of `READY` and `ALIASES`.
pub(crate) fn state(
    revision: Revision,
    ready: Vec<(i64, i64)>,
    aliases: Vec<(String, i64, Option<i64>)>,
) -> Result<State, StoreError> {
    let ready = ready
        .into_iter()
        .map(|(number, points)| Ok((version(number)?, unsigned(points)?)));
    let aliases = aliases.into_iter().map(|(name, number, previous)| {
        Ok(Alias {
            name: parse(&name)?,
            version: version(number)?,
            previous: previous.map(version).transpose()?,
        })
    });
    Ok(State {
        revision,
        ready: ready.collect::<Result<_, StoreError>>()?,
        aliases: aliases.collect::<Result<_, StoreError>>()?,
    })
}

/// The series that changed and their revisions.
pub(crate) fn changed(rows: Vec<(String, i64)>) -> Result<Vec<(SeriesId, Revision)>, StoreError> {
    let one = |(series, number): (String, i64)| Ok((parse(&series)?, revision(number)?));
    rows.into_iter().map(one).collect()
}

/// The columns of a new model that follow from the model itself.
pub(crate) struct Columns {
    pub(crate) detector: &'static str,
    pub(crate) format: i64,
    pub(crate) points: i64,
    pub(crate) document: String,
    pub(crate) params: String,
    pub(crate) size: i64,
    pub(crate) checksum: String,
}

impl Columns {
    pub(crate) fn of(model: &StoredModel) -> Self {
        let document = model.to_json();
        Self {
            detector: model.detector().as_str(),
            format: i64::from(detector::FORMAT),
            points: i64::try_from(model.points()).unwrap_or(i64::MAX),
            params: serde_json::to_string(&model.params())
                .expect("names and numbers are always JSON"),
            size: i64::try_from(document.len()).unwrap_or(i64::MAX),
            checksum: model.checksum(),
            document,
        }
    }
}

/// The parameters that name a model: its series, then its number or its alias, or neither for the
/// one that serves.
pub(crate) fn key<'a>(series: &'a SeriesId, model: Option<&'a VersionRef>) -> [Value<'a>; 3] {
    let (version, alias) = match model {
        None => (None, None),
        Some(VersionRef::Version(version)) => (Some(number(*version)), None),
        Some(VersionRef::Alias(name)) => (None, Some(name.as_str())),
    };
    [
        series.as_str().into(),
        Value::Number(version),
        Value::Text(alias),
    ]
}

row! {
    /// A row of `EXISTENCE`.
    ExistenceRow {
        series: bool,
        alias: bool,
    }
}

impl ExistenceRow {
    pub(crate) fn has_series(&self) -> bool {
        self.series
    }

    /// Why nothing was found of `model`.
    pub(crate) fn refusal(&self, model: &VersionRef) -> Refusal {
        match model {
            _ if !self.series => Refusal::NoSeries,
            VersionRef::Alias(_) if !self.alias => Refusal::NoAlias,
            _ => Refusal::NoModel,
        }
    }
}

pub(crate) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, StoreError> {
    text.parse()
        .map_err(|why| unreadable(format!("{text:?}: {why}")))
}
