//! Stores what commits found: anomalies, their incidents and what is told of them.

use std::collections::BTreeMap;

use contract::{Anomaly, AnomalyId, IncidentId, Moment, Point, Severity};

use super::{
    PartitionCommit,
    bulk::Bulk,
    feedback::{self, Limits},
    history,
    partitions::dialect,
    plan::{IncidentState, Known, Plan, Progress, incident_id, may_be_told},
};
use crate::{
    StoreError,
    columns::unreadable,
    registry::{
        connection::Connection,
        rows::{parse, row},
    },
};

const LATER: &str = "
    ON CONFLICT (anomaly_id) DO UPDATE SET is_open = excluded.is_open, last = excluded.last, alarms = excluded.alarms,
        severity = excluded.severity, ratio = excluded.ratio, opened_at = excluded.opened_at,
        closed_at = excluded.closed_at, silenced = excluded.silenced, incident_id = excluded.incident_id, held_back = excluded.held_back,
        labels = excluded.labels, document = excluded.document";
const LATEST: &str = "
    ON CONFLICT (incident_id) DO UPDATE SET last_at = excluded.last_at, closed_at = excluded.closed_at,
        due = excluded.due, anomalies = excluded.anomalies, open = excluded.open, severity = excluded.severity,
        told = excluded.told, openings = excluded.openings";
const ONCE: &str = "ON CONFLICT (event_id) DO NOTHING";

/// Stores the effects of `commits`.
pub(super) async fn store(
    connection: &mut Connection<'_>,
    commits: &[&PartitionCommit],
) -> Result<(), StoreError> {
    let has_effects = |commit: &&&PartitionCommit| {
        !commit.anomalies.is_empty() || commit.ended.iter().any(|ended| ended.forget)
    };
    if !commits.iter().any(|commit| has_effects(&commit)) {
        return Ok(());
    }
    // Anomalies of other partitions belong to the same incidents. One process at a time counts them;
    // it comes last in the transaction, so it is short.
    connection
        .run::<()>(dialect(connection).lock_incidents, &[])
        .await?;
    let forgotten = forgotten(commits);
    let removed = remove(connection, &forgotten).await?;
    let changes = commits.iter().flat_map(|commit| &commit.anomalies);
    let changes: Vec<_> = changes
        .filter(|change| !forgotten.contains(&change.anomaly.series_id.as_str()))
        .collect();

    let known = known(connection, changes.iter().map(|c| c.anomaly.anomaly_id)).await?;
    let members = known.values().filter_map(|known| known.incident);
    let members = members.chain(removed.iter().map(|(id, _)| *id));
    let new = changes.iter().filter(|change| may_be_told(change));
    let new = new.map(|change| incident_id(&change.group, change.anomaly.anomaly_id));
    let ids = members.chain(new).map(|id| id.to_string()).collect();
    let groups = changes.iter().map(|change| change.group.clone()).collect();
    let limits = Limits::read(connection, &changes).await?;
    let mut plan = Plan::new(known, incidents(connection, ids, groups).await?, limits);
    for (incident, was_open) in removed {
        plan.remove(incident, was_open).map_err(unwritable)?;
    }
    for change in changes {
        plan.apply(change).map_err(unwritable)?;
    }
    write(connection, &plan).await
}

/// The series that end with all of their anomalies and do not begin anew in the same commits.
fn forgotten<'c>(commits: &[&'c PartitionCommit]) -> Vec<&'c str> {
    let states = || commits.iter().flat_map(|commit| &commit.states);
    let ended = commits.iter().flat_map(|commit| &commit.ended);
    let last = ended.filter(|ended| {
        let is_later = |next| next > ended.next_offset;
        ended.forget && !states().any(|s| s.series_id == ended.series_id && is_later(s.next_offset))
    });
    last.map(|ended| ended.series_id.as_str()).collect()
}

/// Removes the anomalies of `series`. Returns the incidents that they belonged to, each with
/// whether the anomaly was open.
async fn remove(
    connection: &mut Connection<'_>,
    series: &[&str],
) -> Result<Vec<(IncidentId, bool)>, StoreError> {
    if series.is_empty() {
        return Ok(Vec::new());
    }
    let series = serde_json::to_string(series).map_err(unwritable)?;
    history::remove(connection, &series).await?;
    feedback::remove(connection, &series).await?;
    let forget = dialect(connection).forget_anomalies;
    let rows: Vec<(Option<String>, bool)> =
        connection.run(forget, &[series.as_str().into()]).await?;
    let rows = rows.into_iter();
    let members = rows.filter_map(|(incident, was_open)| Some((incident?, was_open)));
    members
        .map(|(id, was_open)| Ok((parse(&id)?, was_open)))
        .collect()
}

row! {
    /// A row of `known`.
    KnownRow {
        anomaly_id: String,
        is_open: bool,
        last: i64,
        alarms: i64,
        incident_id: Option<String>,
        held_back: Option<String>,
    }
}

async fn known(
    connection: &mut Connection<'_>,
    ids: impl Iterator<Item = AnomalyId>,
) -> Result<BTreeMap<AnomalyId, Known>, StoreError> {
    let ids: Vec<String> = ids.map(|id| id.to_string()).collect();
    let ids = serde_json::to_string(&ids).map_err(unwritable)?;
    let select = dialect(connection).known_anomalies;
    let rows: Vec<KnownRow> = connection.run(select, &[ids.as_str().into()]).await?;
    let row = |row: KnownRow| {
        let progress = Progress {
            alarms: row.alarms,
            last: row.last,
            is_closed: !row.is_open,
        };
        let incident = row.incident_id.as_deref().map(parse).transpose()?;
        let known = Known {
            progress,
            incident,
            held_back: row.held_back.as_deref().map(parse).transpose()?,
        };
        Ok((parse(&row.anomaly_id)?, known))
    };
    rows.into_iter().map(row).collect()
}

row! {
    /// A row of an incident.
    IncidentRow {
        incident_id: String,
        group_key: String,
        opened_at: i64,
        last_at: i64,
        closed_at: Option<i64>,
        due: i64,
        anomalies: i64,
        open: i64,
        severity: i32,
        told: i32,
        openings: i64,
    }
}

impl IncidentRow {
    pub(super) fn read(self) -> Result<IncidentState, StoreError> {
        Ok(IncidentState {
            id: parse(&self.incident_id)?,
            group: self.group_key,
            opened_at: Moment(self.opened_at),
            last_at: Moment(self.last_at),
            closed_at: self.closed_at.map(Moment),
            due: Moment(self.due),
            anomalies: self.anomalies,
            open: self.open,
            severity: severity(self.severity)?,
            told: severity(self.told)?,
            openings: self.openings,
        })
    }
}

/// The incidents with these ids, and the open ones of these groups.
async fn incidents(
    connection: &mut Connection<'_>,
    ids: Vec<String>,
    groups: Vec<String>,
) -> Result<Vec<IncidentState>, StoreError> {
    let ids = serde_json::to_string(&ids).map_err(unwritable)?;
    let groups = serde_json::to_string(&groups).map_err(unwritable)?;
    let select = dialect(connection).incidents;
    let rows: Vec<IncidentRow> = connection
        .run(select, &[ids.as_str().into(), groups.as_str().into()])
        .await?;
    rows.into_iter().map(IncidentRow::read).collect()
}

async fn write(connection: &mut Connection<'_>, plan: &Plan<'_>) -> Result<(), StoreError> {
    let incidents = || plan.incidents();
    Bulk::of("incidents")
        .texts("incident_id", incidents().map(|i| i.id.to_string()))
        .texts("group_key", incidents().map(|i| i.group.as_str()))
        .numbers("opened_at", incidents().map(|i| i.opened_at.0))
        .numbers("last_at", incidents().map(|i| i.last_at.0))
        .numbers("closed_at", incidents().map(|i| i.closed_at.map(|at| at.0)))
        .numbers("due", incidents().map(|i| i.due.0))
        .numbers("anomalies", incidents().map(|i| i.anomalies))
        .numbers("open", incidents().map(|i| i.open))
        .numbers("severity", incidents().map(|i| rank(i.severity)))
        .numbers("told", incidents().map(|i| rank(i.told)))
        .numbers("openings", incidents().map(|i| i.openings))
        .insert(connection, LATEST)
        .await?;
    write_anomalies(connection, plan).await?;
    let events = || plan.events.iter();
    Bulk::of("outbox")
        .texts("event_id", events().map(|e| e.event_id.as_str()))
        .texts("channel", events().map(|e| e.channel))
        .texts("payload", events().map(|e| e.payload.as_str()))
        .numbers("at", events().map(|e| e.at.0))
        .numbers("next_at", events().map(|e| e.due.0))
        .insert(connection, ONCE)
        .await?;
    Ok(())
}

async fn write_anomalies(
    connection: &mut Connection<'_>,
    plan: &Plan<'_>,
) -> Result<(), StoreError> {
    let rows = || plan.rows.values();
    let anomalies = || rows().map(|row| row.anomaly);
    let labels = |a: &Anomaly| serde_json::to_string(&a.labels);
    let labels = anomalies().map(labels).collect::<Result<Vec<_>, _>>();
    let document = |a: &Anomaly| serde_json::to_string(a);
    let documents = anomalies().map(document).collect::<Result<Vec<_>, _>>();
    Bulk::of("anomalies")
        .texts("anomaly_id", anomalies().map(|a| a.anomaly_id.to_string()))
        .texts("series_id", anomalies().map(|a| a.series_id.as_str()))
        .texts("kind", anomalies().map(|a| a.kind.as_str()))
        .flags("is_open", anomalies().map(|a| !Progress::of(a).is_closed))
        .numbers("start", anomalies().map(|a| a.start))
        .numbers("last", anomalies().map(|a| Progress::of(a).last))
        .numbers("alarms", anomalies().map(|a| Progress::of(a).alarms))
        .numbers("severity", anomalies().map(|a| rank(a.severity)))
        .reals("ratio", anomalies().map(|a| a.ratio))
        .numbers("opened_at", anomalies().map(|a| a.opened_at.0))
        .numbers("closed_at", anomalies().map(|a| a.closed_at.map(|at| at.0)))
        .flags("silenced", anomalies().map(|a| a.silenced))
        .optional_texts(
            "incident_id",
            rows().map(|row| row.incident.map(|id| id.to_string())),
        )
        .optional_texts(
            "held_back",
            rows().map(|row| row.held_back.map(|why| why.as_str())),
        )
        .json("labels", "jsonb", labels.map_err(unwritable)?)
        .json("document", "json", documents.map_err(unwritable)?)
        .bytes("context", rows().map(|row| encode(row.context)))
        .insert(connection, LATER)
        .await?;
    Ok(())
}

/// The column of a severity.
pub(super) fn rank(severity: Severity) -> i64 {
    let at = Severity::ALL.iter().position(|s| *s == severity);
    at.and_then(|at| i64::try_from(at).ok()).unwrap_or(0)
}

/// The severity in a column.
pub(super) fn severity(rank: i32) -> Result<Severity, StoreError> {
    let at = usize::try_from(rank).ok();
    let severity = at.and_then(|at| Severity::ALL.get(at)).copied();
    severity.ok_or_else(|| unreadable(format!("{rank} is not a severity")))
}

/// The bytes of a point: its timestamp and its value.
const POINT: usize = size_of::<i64>() + size_of::<f64>();

fn encode(points: &[Point]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(points.len() * POINT);
    for point in points {
        bytes.extend_from_slice(&point.timestamp.to_le_bytes());
        bytes.extend_from_slice(&point.value.to_le_bytes());
    }
    bytes
}

/// The points in a column.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Point>, StoreError> {
    let (points, []) = bytes.as_chunks::<POINT>() else {
        return Err(unreadable(format!("{} bytes are not points", bytes.len())));
    };
    let point = |bytes: &[u8; POINT]| {
        let bits = u128::from_le_bytes(*bytes);
        Point {
            timestamp: bits as i64,
            value: f64::from_bits((bits >> 64) as u64),
        }
    };
    Ok(points.iter().map(point).collect())
}

/// What we write cannot be written: serde refuses nothing of it.
fn unwritable(why: serde_json::Error) -> StoreError {
    StoreError::Refused(sqlx::Error::Encode(why.into()))
}
