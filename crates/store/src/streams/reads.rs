//! What was found, for those who ask.

use contract::{
    Anomaly, AnomalyDetail, AnomalyId, AnomalyList, Incident, IncidentDetail, IncidentId,
    IncidentList, Moment, OpenStatus,
};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    effects::{IncidentRow, decode},
    feedback,
    plan::IncidentState,
    query::{self, AnomalyQuery, Parameter, Select, cursor, page},
};
use crate::{
    Backend, Store, StoreError,
    columns::{unreadable, unsigned},
    registry::{
        connection::{Row, Value},
        rows::{parse, row},
    },
};

/// Columns of an [`AnomalyRow`].
pub(super) const ANOMALIES: &str = "
    SELECT anomaly_id, opened_at, ratio, incident_id, held_back, CAST(document AS text) AS document,
        (SELECT f.document FROM feedback f WHERE f.anomaly_id = anomalies.anomaly_id) AS feedback
    FROM anomalies WHERE 1 = 1";
const INCIDENTS: &str = "
    SELECT incident_id, group_key, opened_at, last_at, closed_at, due, anomalies, open, severity, told, openings
    FROM incidents WHERE 1 = 1";
/// The most anomalies that an incident is told with.
const MEMBERS: i64 = 100;

impl Store {
    /// A page of anomalies.
    ///
    /// # Errors
    /// When `after` is not the `next` of a page in this order, or the database does not answer.
    pub fn anomalies<'a>(
        &'a self,
        query: &'a AnomalyQuery,
    ) -> BoxFuture<'a, Result<AnomalyList, StoreError>> {
        async move {
            let mut select = Select::of(ANOMALIES);
            query.write(&mut select, &self.has_label())?;
            let mut rows: Vec<AnomalyRow> = self.list(&select).await?;
            let is_last = rows.len() <= query.limit();
            rows.truncate(query.limit());
            let last = rows.last().filter(|_| !is_last);
            let next = last.map(|row| query.next(row.opened_at, row.ratio, &row.anomaly_id));
            Ok(AnomalyList {
                anomalies: anomalies(rows)?,
                next,
            })
        }
        .boxed()
    }

    /// An anomaly, with the points before it. `None` if there is no such anomaly.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn anomaly(
        &self,
        id: AnomalyId,
    ) -> BoxFuture<'_, Result<Option<AnomalyDetail>, StoreError>> {
        async move {
            const SELECT: &str = "
                SELECT incident_id, held_back, CAST(document AS text) AS document, context,
                    (SELECT f.document FROM feedback f WHERE f.anomaly_id = $1) AS feedback
                FROM anomalies WHERE anomaly_id = $1";
            let id = id.to_string();
            let rows: Vec<DetailRow> = self.select(SELECT, &[id.as_str().into()]).await?;
            let detail = |row: DetailRow| {
                let context = decode(&row.context)?;
                let anomaly = Said {
                    document: row.document,
                    incident_id: row.incident_id,
                    held_back: row.held_back,
                    feedback: row.feedback,
                };
                Ok(AnomalyDetail {
                    anomaly: anomaly.read()?,
                    context,
                })
            };
            rows.into_iter().next().map(detail).transpose()
        }
        .boxed()
    }

    /// A page of incidents, the latest first: those with this status, and with an anomaly of a
    /// series whose id begins with one of `prefixes`. `None` is no condition.
    ///
    /// # Errors
    /// When `after` is not the `next` of a page, or the database does not answer.
    pub fn incidents<'a>(
        &'a self,
        status: Option<OpenStatus>,
        limit: u32,
        after: Option<&'a str>,
        prefixes: Option<&'a [String]>,
    ) -> BoxFuture<'a, Result<IncidentList, StoreError>> {
        async move {
            let mut select = Select::of(INCIDENTS);
            match status {
                Some(OpenStatus::Open) => select.and("closed_at IS NULL", []),
                Some(OpenStatus::Closed) => select.and("closed_at IS NOT NULL", []),
                None => {}
            }
            if let Some(prefixes) = prefixes {
                let of =
                    "EXISTS (SELECT 1 FROM anomalies a WHERE a.incident_id = incidents.incident_id";
                select.and(of, []);
                select.and_prefixed(prefixes);
                select.add(")", []);
            }
            if let Some(after) = after {
                let (at, id) = cursor(after)?;
                let id = Parameter::Text(IncidentId(id).to_string());
                let after = [Parameter::Number(at), id];
                select.and("(opened_at, incident_id) < (?, ?)", after);
            }
            let limit = page(limit);
            let fetched = i64::try_from(limit + 1).unwrap_or(i64::MAX);
            let end = " ORDER BY opened_at DESC, incident_id DESC LIMIT ?";
            select.add(end, [Parameter::Number(fetched)]);
            let rows: Vec<IncidentRow> = self.list(&select).await?;
            let states = rows.into_iter().map(IncidentRow::read);
            let mut states = states.collect::<Result<Vec<_>, _>>()?;
            let is_last = states.len() <= limit;
            states.truncate(limit);
            let last = states.last().filter(|_| !is_last);
            let next = last.map(|state| format!("{}.{}", state.opened_at.0, state.id));
            let incidents = states.into_iter().map(incident).collect::<Result<_, _>>()?;
            Ok(IncidentList { incidents, next })
        }
        .boxed()
    }

    /// An incident with its worst anomalies. `None` if there is no such incident.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn incident(
        &self,
        id: IncidentId,
    ) -> BoxFuture<'_, Result<Option<IncidentDetail>, StoreError>> {
        async move {
            let mut select = Select::of(INCIDENTS);
            select.and("incident_id = ?", [Parameter::Text(id.to_string())]);
            let rows: Vec<IncidentRow> = self.list(&select).await?;
            let Some(row) = rows.into_iter().next() else {
                return Ok(None);
            };
            let mut select = Select::of(ANOMALIES);
            select.and("incident_id = ?", [Parameter::Text(id.to_string())]);
            let end = " ORDER BY severity DESC, ratio DESC, anomaly_id LIMIT ?";
            select.add(end, [Parameter::Number(MEMBERS)]);
            Ok(Some(IncidentDetail {
                incident: incident(row.read()?)?,
                anomalies: anomalies(self.list(&select).await?)?,
            }))
        }
        .boxed()
    }

    /// The anomalies that people are to see at the moment: those that are open or were closed
    /// since. Silenced ones, those that are held back or dismissed, and moves of the level are not among
    /// them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn open_anomalies_for_alerts(
        &self,
        closed_since: Moment,
    ) -> BoxFuture<'_, Result<Vec<Anomaly>, StoreError>> {
        async move {
            let mut select = Select::of(ANOMALIES);
            select.and("NOT silenced AND kind <> 'level' AND held_back IS NULL", []);
            let dismissed = "NOT EXISTS (SELECT 1 FROM feedback f \
                             WHERE f.anomaly_id = anomalies.anomaly_id AND f.verdict = 'dismissed')";
            select.and(dismissed, []);
            let since = [Parameter::Number(closed_since.0)];
            select.and("(is_open OR closed_at >= ?)", since);
            select.add(" ORDER BY opened_at, anomaly_id", []);
            anomalies(self.list(&select).await?)
        }
        .boxed()
    }

    /// Adds the condition that a row has a label.
    pub(super) fn has_label(&self) -> query::Label {
        match &self.0 {
            Backend::Postgres(_) => query::postgres_label,
            Backend::Sqlite(_) => query::sqlite_label,
        }
    }

    pub(super) async fn list<R: Row>(&self, select: &Select) -> Result<Vec<R>, StoreError> {
        let value = |parameter| match parameter {
            &Parameter::Number(number) => Value::Number(Some(number)),
            &Parameter::Real(real) => Value::Real(real),
            Parameter::Text(text) => Value::Text(Some(text.as_str())),
        };
        let values: Vec<Value<'_>> = select.parameters.iter().map(value).collect();
        self.select(select.text(), &values).await
    }
}

row! {
    /// A row of `ANOMALIES`.
    AnomalyRow {
        anomaly_id: String,
        opened_at: i64,
        ratio: f64,
        incident_id: Option<String>,
        held_back: Option<String>,
        document: String,
        feedback: Option<String>,
    }
}

row! {
    /// A row of an anomaly and the points before it.
    DetailRow {
        incident_id: Option<String>,
        held_back: Option<String>,
        document: String,
        context: Vec<u8>,
        feedback: Option<String>,
    }
}

pub(super) fn anomalies(rows: Vec<AnomalyRow>) -> Result<Vec<Anomaly>, StoreError> {
    let anomaly = |row: AnomalyRow| {
        let said = Said {
            document: row.document,
            incident_id: row.incident_id,
            held_back: row.held_back,
            feedback: row.feedback,
        };
        said.read()
    };
    rows.into_iter().map(anomaly).collect()
}

/// An anomaly as it was found, and what became of it.
struct Said {
    document: String,
    incident_id: Option<String>,
    held_back: Option<String>,
    feedback: Option<String>,
}

impl Said {
    fn read(&self) -> Result<Anomaly, StoreError> {
        let anomaly: Anomaly = serde_json::from_str(&self.document)
            .map_err(|why| unreadable(format!("an anomaly: {why}")))?;
        Ok(Anomaly {
            incident_id: self.incident_id.as_deref().map(parse).transpose()?,
            held_back: self.held_back.as_deref().map(parse).transpose()?,
            feedback: feedback::read(self.feedback.as_deref())?,
            ..anomaly
        })
    }
}

fn incident(state: IncidentState) -> Result<Incident, StoreError> {
    Ok(Incident {
        incident_id: state.id,
        group: state.group,
        status: match state.closed_at {
            None => OpenStatus::Open,
            Some(_) => OpenStatus::Closed,
        },
        severity: state.severity,
        count: unsigned(state.anomalies)?,
        open: unsigned(state.open)?,
        opened_at: state.opened_at,
        last_at: state.last_at,
        closed_at: state.closed_at,
    })
}
