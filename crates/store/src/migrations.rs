//! The migrations of both databases, compiled in.

use sqlx::migrate::Migrator;

/// Those of Postgres.
pub(crate) fn postgres() -> Migrator {
    sqlite::migrator(&[
        (
            "0001_models_and_training_points.sql",
            include_str!("../migrations/postgres/0001_models_and_training_points.sql"),
        ),
        (
            "0002_registry.sql",
            include_str!("../migrations/postgres/0002_registry.sql"),
        ),
        (
            "0003_receipts.sql",
            include_str!("../migrations/postgres/0003_receipts.sql"),
        ),
        (
            "0004_streams.sql",
            include_str!("../migrations/postgres/0004_streams.sql"),
        ),
        (
            "0005_no_owners.sql",
            include_str!("../migrations/postgres/0005_no_owners.sql"),
        ),
        (
            "0006_stream_phase.sql",
            include_str!("../migrations/postgres/0006_stream_phase.sql"),
        ),
        (
            "0007_stream_points.sql",
            include_str!("../migrations/postgres/0007_stream_points.sql"),
        ),
        (
            "0008_feedback.sql",
            include_str!("../migrations/postgres/0008_feedback.sql"),
        ),
    ])
}

/// Those of SQLite.
pub(crate) fn sqlite() -> Migrator {
    sqlite::migrator(&[
        (
            "0001_models_and_training_points.sql",
            include_str!("../migrations/sqlite/0001_models_and_training_points.sql"),
        ),
        (
            "0002_registry.sql",
            include_str!("../migrations/sqlite/0002_registry.sql"),
        ),
        (
            "0003_receipts.sql",
            include_str!("../migrations/sqlite/0003_receipts.sql"),
        ),
        (
            "0004_streams.sql",
            include_str!("../migrations/sqlite/0004_streams.sql"),
        ),
        (
            "0005_checksum_of_points.sql",
            include_str!("../migrations/sqlite/0005_checksum_of_points.sql"),
        ),
        (
            "0006_no_owners.sql",
            include_str!("../migrations/sqlite/0006_no_owners.sql"),
        ),
        (
            "0007_stream_phase.sql",
            include_str!("../migrations/sqlite/0007_stream_phase.sql"),
        ),
        (
            "0008_stream_points.sql",
            include_str!("../migrations/sqlite/0008_stream_points.sql"),
        ),
        (
            "0009_feedback.sql",
            include_str!("../migrations/sqlite/0009_feedback.sql"),
        ),
    ])
}
