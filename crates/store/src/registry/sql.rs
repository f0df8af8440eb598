//! The statements. Most are the same on both databases. `$1` is the series, unless said otherwise.

/// The version of a series that serves a request that names none.
macro_rules! serving {
    ($series:literal) => {
        concat!(
            "COALESCE((SELECT version FROM aliases WHERE series_id = ",
            $series,
            " AND name = 'champion'), ",
            "(SELECT max(version) FROM models WHERE series_id = ",
            $series,
            " AND status = 'ready'))",
        )
    };
}

/// The version with the number `$2`, or with the alias `$3`, or else the one that serves.
macro_rules! wanted {
    () => {
        concat!(
            "CASE WHEN CAST($2 AS bigint) IS NOT NULL THEN CAST($2 AS bigint) ",
            "WHEN CAST($3 AS text) IS NOT NULL THEN (SELECT version FROM aliases WHERE series_id = $1 AND name = $3) ",
            "ELSE ", serving!("$1"), " END",
        )
    };
}

/// What is known of series `s` and its models.
macro_rules! facts {
    () => {
        concat!(
            "s.revision, s.changed_at, ", serving!("s.series_id"), " AS serving, ",
            "(SELECT max(version) FROM models WHERE series_id = s.series_id AND status = 'ready') AS newest, ",
            "(SELECT count(*) FROM models WHERE series_id = s.series_id AND status = 'ready') AS models",
        )
    };
}

/// Columns of [`SummaryRow`](super::rows::SummaryRow), from series `s`.
macro_rules! summary {
    () => {
        concat!("s.series_id, ", facts!())
    };
}

/// The condition that the series `s` has a model. Not `EXISTS`, which Postgres may turn into a join
/// with all models.
macro_rules! is_visible {
    () => {
        "(SELECT max(version) FROM models WHERE series_id = s.series_id AND status = 'ready') IS NOT NULL"
    };
}

/// Columns of [`InfoRow`](super::rows::InfoRow), from model `m` and its series `s`.
macro_rules! info {
    () => {
        concat!(
            "s.revision, m.version, m.detector, m.params, m.points, m.created_at, m.fit_ms, ",
            "m.first_timestamp, m.last_timestamp, m.size_bytes, m.checksum, m.source, ",
            "(SELECT string_agg(name, ' ' ORDER BY name) FROM aliases ",
            "WHERE series_id = m.series_id AND version = m.version) AS aliases, ",
            "m.version = ",
            serving!("$1"),
            " AS serving",
        )
    };
}

/// The columns that predictors need of a series: its revision, serving version and aliases.
pub(crate) const SERVING: &str = concat!(
    "SELECT s.revision, m.version, m.model, ",
    "(SELECT string_agg(name || ' ' || version, ' ' ORDER BY name) FROM aliases WHERE series_id = $1) AS aliases ",
    "FROM series s LEFT JOIN models m ON m.series_id = s.series_id AND m.version = ",
    serving!("$1"),
    " WHERE s.series_id = $1",
);

/// The same without the model, which may be damaged.
pub(crate) const SERVING_VERSION: &str = concat!(
    "SELECT s.revision, ",
    serving!("$1"),
    " AS version, CAST(NULL AS text) AS model, ",
    "(SELECT string_agg(name || ' ' || version, ' ' ORDER BY name) FROM aliases WHERE series_id = $1) AS aliases ",
    "FROM series s WHERE s.series_id = $1",
);

/// A ready model.
pub(crate) const MODEL: &str = concat!(
    "SELECT version, model, source FROM models WHERE series_id = $1 AND status = 'ready' AND version = ",
    wanted!(),
);

/// The description of a ready model.
pub(crate) const INFO: &str = concat!(
    "SELECT ",
    info!(),
    " FROM models m JOIN series s ON s.series_id = m.series_id ",
    "WHERE m.series_id = $1 AND m.status = 'ready' AND m.version = ",
    wanted!(),
);

/// The description of a ready model, and its document.
pub(crate) const DOCUMENT: &str = concat!(
    "SELECT ",
    info!(),
    ", m.model FROM models m JOIN series s ON s.series_id = m.series_id ",
    "WHERE m.series_id = $1 AND m.status = 'ready' AND m.version = ",
    wanted!(),
);

/// At most `$3` ready models below `$2`.
pub(crate) const MODELS: &str = concat!(
    "SELECT ",
    info!(),
    " FROM models m JOIN series s ON s.series_id = m.series_id ",
    "WHERE m.series_id = $1 AND m.status = 'ready' AND m.version < $2 ORDER BY m.version DESC LIMIT $3",
);

/// At most `$3` series with a model or a stream, from `$1` on and below `$2`.
pub(crate) const LIST: &str = concat!(
    "WITH page AS (SELECT series_id FROM (SELECT s.series_id FROM series s ",
    "WHERE s.series_id >= $1 AND s.series_id < $2 AND ",
    is_visible!(),
    " ORDER BY s.series_id LIMIT $3) fitted ",
    "UNION SELECT series_id FROM (SELECT t.series_id FROM stream_sessions t ",
    "WHERE t.series_id >= $1 AND t.series_id < $2 AND NOT t.has_ended ",
    "ORDER BY t.series_id LIMIT $3) observed ",
    "ORDER BY series_id LIMIT $3) ",
    "SELECT page.series_id, t.phase, ",
    facts!(),
    " FROM page LEFT JOIN series s ON s.series_id = page.series_id AND ",
    is_visible!(),
    " LEFT JOIN stream_sessions t ON t.series_id = page.series_id AND NOT t.has_ended ",
    "ORDER BY page.series_id",
);

/// As `LIST`, with nothing but the labels of streams.
pub(crate) const LABELLED: &str = concat!(
    "WITH page AS (SELECT series_id FROM (SELECT s.series_id FROM series s ",
    "WHERE s.series_id >= $1 AND s.series_id < $2 AND ",
    is_visible!(),
    " ORDER BY s.series_id LIMIT $3) fitted ",
    "UNION SELECT series_id FROM (SELECT t.series_id FROM stream_sessions t ",
    "WHERE t.series_id >= $1 AND t.series_id < $2 AND NOT t.has_ended ",
    "ORDER BY t.series_id LIMIT $3) observed ",
    "ORDER BY series_id LIMIT $3) ",
    "SELECT page.series_id, t.labels FROM page ",
    "LEFT JOIN stream_sessions t ON t.series_id = page.series_id AND NOT t.has_ended ",
    "ORDER BY page.series_id",
);

/// The number of series with a model or a stream. Further conditions may follow.
pub(crate) const ALL_SERIES: &str = concat!(
    "SELECT count(*) FROM (SELECT s.series_id FROM series s WHERE ",
    is_visible!(),
    " UNION SELECT series_id FROM stream_sessions WHERE NOT has_ended) known WHERE 1 = 1",
);

/// What is known of the series in an array `$1`, in the registry and of their streams.
macro_rules! facts_of {
    ($ids:literal) => {
        concat!(
            "SELECT i.series_id, t.labels, t.phase, t.detector AS stream_detector, t.last_timestamp, ",
            "m.version AS serving, m.detector, m.last_timestamp AS trained_until FROM (",
            $ids,
            ") i LEFT JOIN stream_sessions t ON t.series_id = i.series_id AND NOT t.has_ended ",
            "LEFT JOIN models m ON m.series_id = i.series_id AND m.status = 'ready' AND m.version = ",
            serving!("i.series_id"),
            " WHERE t.series_id IS NOT NULL OR m.series_id IS NOT NULL",
        )
    };
}

/// A series: one row for each of its aliases, or one if it has none.
pub(crate) const DETAIL: &str = concat!(
    "SELECT ",
    summary!(),
    ", a.name, a.version, p.version AS previous, a.changed_at AS set_at FROM series s ",
    "LEFT JOIN aliases a ON a.series_id = s.series_id ",
    "LEFT JOIN models p ON p.series_id = a.series_id AND p.version = a.previous AND p.status = 'ready' ",
    "WHERE s.series_id = $1 AND ",
    is_visible!(),
    " ORDER BY a.name",
);

/// Whether the series has a ready model, and an alias named `$2`.
pub(crate) const EXISTENCE: &str = "
    SELECT EXISTS (SELECT 1 FROM models WHERE series_id = $1 AND status = 'ready') AS series,
           EXISTS (SELECT 1 FROM aliases WHERE series_id = $1 AND name = $2) AS alias";

/// The number of series with a ready model; 0 if `$1` is one of them, which needs no further place.
pub(crate) const SERIES_BUT: &str = "
    SELECT CASE WHEN EXISTS (SELECT 1 FROM models WHERE series_id = $1 AND status = 'ready') THEN 0
    ELSE (SELECT count(*) FROM (SELECT DISTINCT series_id FROM models WHERE status = 'ready') known) END";

/// The number of series with a ready model.
pub(crate) const SERIES_COUNT: &str =
    "SELECT count(*) FROM (SELECT DISTINCT series_id FROM models WHERE status = 'ready') known";

/// The number of ready models.
pub(crate) const VERSIONS: &str = "SELECT count(*) FROM models WHERE status = 'ready'";

/// The size of a Postgres database.
pub(crate) const DATABASE_SIZE: &str = "SELECT pg_database_size(current_database())";

/// The alias `$2`.
pub(crate) const ALIAS: &str = "
    SELECT a.name, a.version, p.version AS previous, a.changed_at AS set_at FROM aliases a
    LEFT JOIN models p ON p.series_id = a.series_id AND p.version = a.previous AND p.status = 'ready'
    WHERE a.series_id = $1 AND a.name = $2";

/// The ready versions that a change has to know.
pub(crate) const READY: &str =
    "SELECT version, points FROM models WHERE series_id = $1 AND status = 'ready' ORDER BY version";

/// The aliases that a change has to know.
pub(crate) const ALIASES: &str =
    "SELECT name, version, previous FROM aliases WHERE series_id = $1 ORDER BY name";

/// Removes the alias `$2`.
pub(crate) const UNSET: &str = "DELETE FROM aliases WHERE series_id = $1 AND name = $2";

/// Sets the alias `$2` to `$3`, with `$4` as its previous version.
pub(crate) const SET: &str = "
    INSERT INTO aliases (series_id, name, version, previous) VALUES ($1, $2, $3, $4)
    ON CONFLICT (series_id, name) DO UPDATE
    SET version = excluded.version, previous = excluded.previous, changed_at = excluded.changed_at";

/// The revision of the series and the version that serves: one row if version `$2` is ready, or
/// none.
pub(crate) const IS_READY: &str = concat!(
    "SELECT s.revision, ",
    serving!("$1"),
    " AS serving FROM models m JOIN series s ON s.series_id = m.series_id ",
    "WHERE m.series_id = $1 AND m.version = $2 AND m.status = 'ready'",
);

/// Keeps a receipt under the key `$2`.
pub(crate) const KEEP_RECEIPT: &str = "
    INSERT INTO receipts (series_id, key, digest, version, revision, serving, reply)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (series_id, key) DO UPDATE SET digest = excluded.digest, version = excluded.version,
        revision = excluded.revision, serving = excluded.serving, reply = excluded.reply,
        created_at = excluded.created_at";

/// The statements that differ between the databases.
pub(crate) struct Dialect {
    /// Locks the series and selects its revision.
    pub(crate) lock: &'static str,
    /// Raises the revision by one and returns it with the version that serves then.
    pub(crate) bump_revision: &'static str,
    /// Makes version `$2` ready and returns it, if it was pending.
    pub(crate) mark_ready: &'static str,
    /// Executed in order, they remove the versions `$2`, written as `1,2,3`, and their points.
    pub(crate) delete: &'static [&'static str],
    /// The series that changed within the last `$1` milliseconds, and their revisions.
    pub(crate) changed_within: &'static str,
    /// The receipt of the last day with the key `$2`.
    pub(crate) receipt: &'static str,
    /// Removes older receipts.
    pub(crate) forget_receipts: &'static str,
    /// What is known of the series `$1`, a JSON array.
    pub(crate) facts_of: &'static str,
}

pub(crate) const POSTGRES: Dialect = Dialect {
    lock: "SELECT revision FROM series WHERE series_id = $1 FOR UPDATE",
    bump_revision: concat!(
        "UPDATE series SET revision = revision + 1, changed_at = clock_timestamp() ",
        "WHERE series_id = $1 RETURNING revision, ",
        serving!("$1"),
        " AS serving",
    ),
    mark_ready: "
        UPDATE models SET status = 'ready', ready_at = clock_timestamp()
        WHERE series_id = $1 AND version = $2 AND status = 'pending' RETURNING version",
    delete: &[
        // In the order in which consumers lock them. The next statement sees the points that they
        // added until then.
        "SELECT version FROM models WHERE series_id = $1 AND version = ANY (string_to_array($2, ',')::bigint[])
         ORDER BY version FOR UPDATE",
        "DELETE FROM training_data WHERE series_id = $1 AND version = ANY (string_to_array($2, ',')::bigint[])",
        "DELETE FROM models WHERE series_id = $1 AND version = ANY (string_to_array($2, ',')::bigint[])",
    ],
    // Not clock_timestamp(), which cannot be used to search an index.
    changed_within: "
        SELECT series_id, revision FROM series WHERE changed_at > now() - $1 * interval '1 millisecond'",
    receipt: "
        SELECT digest, version, revision, serving, reply FROM receipts
        WHERE series_id = $1 AND key = $2 AND created_at > now() - interval '1 day'",
    forget_receipts: "DELETE FROM receipts WHERE created_at <= now() - interval '1 day'",
    facts_of: facts_of!("SELECT json_array_elements_text($1::json) AS series_id"),
};

pub(crate) const SQLITE: Dialect = Dialect {
    // There is only one writer at a time.
    lock: "SELECT revision FROM series WHERE series_id = $1",
    bump_revision: concat!(
        "UPDATE series SET revision = revision + 1, ",
        "changed_at = CAST(unixepoch('subsec') * 1000 AS INTEGER) ",
        "WHERE series_id = $1 RETURNING revision, ",
        serving!("$1"),
        " AS serving",
    ),
    mark_ready: "
        UPDATE models SET status = 'ready', ready_at = CAST(unixepoch('subsec') * 1000 AS INTEGER)
        WHERE series_id = $1 AND version = $2 AND status = 'pending' RETURNING version",
    // ON DELETE CASCADE removes the points.
    delete: &[
        "DELETE FROM models WHERE series_id = $1 AND version IN (SELECT value FROM json_each('[' || $2 || ']'))",
    ],
    changed_within: "
        SELECT series_id, revision FROM series
        WHERE changed_at > CAST(unixepoch('subsec') * 1000 AS INTEGER) - $1",
    receipt: "
        SELECT digest, version, revision, serving, reply FROM receipts
        WHERE series_id = $1 AND key = $2
            AND created_at > CAST(unixepoch('subsec') * 1000 AS INTEGER) - 86400000",
    forget_receipts: "
        DELETE FROM receipts
        WHERE created_at <= CAST(unixepoch('subsec') * 1000 AS INTEGER) - 86400000",
    facts_of: facts_of!("SELECT value AS series_id FROM json_each($1)"),
};
