//! The statements about streams. Most are the same on both databases.

/// The stored number of partitions.
pub(super) const LAYOUT: &str = "SELECT partitions FROM stream_layout";

/// Notes the number of partitions `$1`, unless one was noted.
pub(super) const NOTE_LAYOUT: &str =
    "INSERT INTO stream_layout (id, partitions) VALUES (1, $1) ON CONFLICT DO NOTHING";

/// The offsets in the log `$1`.
pub(super) const OFFSETS: &str = "
    SELECT partition, effects, safe, now_ms, outage_ms FROM stream_partitions WHERE log = $1 ORDER BY partition";

/// When the series of the partition `$1` are due.
pub(super) const DUES: &str = "SELECT series_id, due FROM stream_sessions WHERE partition = $1 AND due IS NOT NULL AND NOT has_ended";

/// The logs that offsets are kept of, except `$1`.
pub(super) const OTHER_LOGS: &str = "SELECT DISTINCT log FROM stream_partitions WHERE log <> $1";

/// Keeps the offsets of the log `$2` as those of the log `$1`.
pub(super) const ADOPT: &str = "UPDATE stream_partitions SET log = $1 WHERE log = $2";

/// Forgets the offsets in the log `$1`.
pub(super) const FORGET: &str = "DELETE FROM stream_partitions WHERE log = $1";

/// Forgets the offsets in all logs except `$1`, and returns them.
pub(super) const FORGET_OTHERS: &str = "DELETE FROM stream_partitions WHERE log <> $1 RETURNING partition, effects, safe, now_ms, outage_ms";

/// Has no state cover any record.
pub(super) const REWIND: &str = "UPDATE stream_sessions SET next_offset = 0 WHERE next_offset > 0";

/// 1 if the series `$1` has a stream that has not ended, else 0.
pub(super) const HAS: &str =
    "SELECT count(*) FROM stream_sessions WHERE series_id = $1 AND NOT has_ended";

/// The number of streams that have not ended.
pub(super) const COUNT: &str = "SELECT count(*) FROM stream_sessions WHERE NOT has_ended";

/// The statements that differ between the databases.
pub(super) struct Dialect {
    /// Locks the partitions `$2`, written as `1,2,3`, of the log `$1`, and selects their offsets.
    pub(super) lock: &'static str,
    /// Removes the streams of these partitions that have ended and that no replay can meet.
    pub(super) bury: &'static str,
    /// The states of the series `$1`, a JSON array.
    pub(super) states: &'static str,
    /// Lets one transaction at a time count the anomalies of incidents.
    pub(super) lock_incidents: &'static str,
    /// Removes the anomalies of the series `$1`, a JSON array.
    pub(super) forget_anomalies: &'static str,
    /// The anomalies with the ids `$1`, a JSON array.
    pub(super) known_anomalies: &'static str,
    /// When anomalies of the series `$1`, a JSON array, were dismissed after `$2`, and their ratios.
    pub(super) dismissals: &'static str,
    /// When people were told of anomalies of the series `$1`, a JSON array, after `$2`, and their
    /// severities.
    pub(super) told: &'static str,
    /// Removes the feedback about the series `$1`, a JSON array.
    pub(super) forget_feedback: &'static str,
    /// The incidents with the ids `$1`, and the open ones of the groups `$2`: JSON arrays.
    pub(super) incidents: &'static str,
}

/// Columns of a [`StreamRow`](super::sessions::StreamRow).
macro_rules! stream {
    () => {
        "SELECT series_id, partition, next_offset, run, points, last_timestamp, last_arrival, due, begun_from, \
         labels, detector, phase, format, stored_at, state FROM stream_sessions "
    };
}

/// The condition that no replay can meet the records of a stream that has ended.
macro_rules! is_past {
    () => {
        "next_offset <= (SELECT safe FROM stream_partitions p \
         WHERE p.log = $1 AND p.partition = stream_sessions.partition)"
    };
}

/// The elements of a JSON array. An array, so that Postgres looks each up in the index.
macro_rules! postgres_elements {
    ($array:literal) => {
        concat!(
            "= ANY (ARRAY(SELECT json_array_elements_text(",
            $array,
            "::json)))"
        )
    };
}

macro_rules! sqlite_elements {
    ($array:literal) => {
        concat!("IN (SELECT value FROM json_each(", $array, "))")
    };
}

/// Columns of an [`IncidentRow`](super::effects::IncidentRow).
macro_rules! incident {
    () => {
        "SELECT incident_id, group_key, opened_at, last_at, closed_at, due, anomalies, open, severity, told, openings \
         FROM incidents i "
    };
}

macro_rules! known {
    () => {
        "SELECT anomaly_id, is_open, last, alarms, incident_id, held_back FROM anomalies WHERE anomaly_id "
    };
}

macro_rules! dismissals {
    ($series:expr) => {
        concat!(
            "SELECT series_id, at, ratio FROM feedback WHERE verdict = 'dismissed' AND at > $2 AND series_id ",
            $series
        )
    };
}

macro_rules! told {
    ($series:expr) => {
        concat!(
            "SELECT series_id, opened_at, severity FROM anomalies ",
            "WHERE incident_id IS NOT NULL AND opened_at > $2 AND series_id ",
            $series
        )
    };
}

macro_rules! forget {
    () => {
        "DELETE FROM anomalies WHERE series_id "
    };
}

pub(super) const POSTGRES: Dialect = Dialect {
    lock: "
        SELECT partition, effects, safe, now_ms, outage_ms FROM stream_partitions
        WHERE log = $1 AND partition = ANY (string_to_array($2, ',')::integer[])
        ORDER BY partition FOR UPDATE",
    bury: concat!(
        "DELETE FROM stream_sessions WHERE has_ended ",
        "AND partition = ANY (string_to_array($2, ',')::integer[]) AND ",
        is_past!()
    ),
    states: concat!(stream!(), "WHERE series_id ", postgres_elements!("$1")),
    lock_incidents: "SELECT pg_advisory_xact_lock(7102542)",
    forget_anomalies: concat!(
        forget!(),
        postgres_elements!("$1"),
        " RETURNING incident_id, is_open"
    ),
    known_anomalies: concat!(known!(), postgres_elements!("$1")),
    dismissals: dismissals!(postgres_elements!("$1")),
    told: told!(postgres_elements!("$1")),
    forget_feedback: concat!(
        "DELETE FROM feedback WHERE series_id ",
        postgres_elements!("$1")
    ),
    incidents: concat!(
        incident!(),
        "WHERE incident_id ",
        postgres_elements!("$1"),
        " UNION ",
        incident!(),
        "WHERE closed_at IS NULL AND group_key ",
        postgres_elements!("$2"),
    ),
};

pub(super) const SQLITE: Dialect = Dialect {
    // There is only one writer at a time.
    lock: "
        SELECT partition, effects, safe, now_ms, outage_ms FROM stream_partitions
        WHERE log = $1 AND partition IN (SELECT value FROM json_each('[' || $2 || ']'))
        ORDER BY partition",
    bury: concat!(
        "DELETE FROM stream_sessions WHERE has_ended ",
        "AND partition IN (SELECT value FROM json_each('[' || $2 || ']')) AND ",
        is_past!()
    ),
    states: concat!(stream!(), "WHERE series_id ", sqlite_elements!("$1")),
    lock_incidents: "SELECT 1",
    forget_anomalies: concat!(
        forget!(),
        sqlite_elements!("$1"),
        " RETURNING incident_id, is_open"
    ),
    known_anomalies: concat!(known!(), sqlite_elements!("$1")),
    dismissals: dismissals!(sqlite_elements!("$1")),
    told: told!(sqlite_elements!("$1")),
    forget_feedback: concat!(
        "DELETE FROM feedback WHERE series_id ",
        sqlite_elements!("$1")
    ),
    incidents: concat!(
        incident!(),
        "WHERE incident_id ",
        sqlite_elements!("$1"),
        " UNION ",
        incident!(),
        "WHERE closed_at IS NULL AND group_key ",
        sqlite_elements!("$2"),
    ),
};
