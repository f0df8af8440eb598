//! Roles with no more rights than a service needs: those that write models, judge streams and tell
//! of anomalies, and one that reads models.
//!
//! The tables belong to the role that runs the migrations. The others can neither change a table
//! nor make one.

use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use sqlx::{Connection, Executor, PgConnection};

use super::PostgresStore;
use crate::StoreError;

/// The roles that `init` makes besides the owner of the tables.
#[derive(Clone, Debug, clap::Args)]
pub struct RolesConfig {
    /// Role of the trainers and training-data consumers.
    #[arg(long, env = "POSTGRES_WRITER_USER", default_value = "anomaly_writer")]
    pub postgres_writer_user: String,
    /// File that holds its password. Without one the role is not made.
    // An empty value stands for no file.
    #[arg(long, env = "POSTGRES_WRITER_PASSWORD_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub postgres_writer_password_file: Option<PathBuf>,
    /// Role of the predictors, which only read models.
    #[arg(long, env = "POSTGRES_READER_USER", default_value = "anomaly_reader")]
    pub postgres_reader_user: String,
    /// File that holds its password. Without one the role is not made.
    #[arg(long, env = "POSTGRES_READER_PASSWORD_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub postgres_reader_password_file: Option<PathBuf>,
    /// Role of the observers.
    #[arg(
        long,
        env = "POSTGRES_OBSERVER_USER",
        default_value = "anomaly_observer"
    )]
    pub postgres_observer_user: String,
    /// File that holds its password. Without one the role is not made.
    #[arg(long, env = "POSTGRES_OBSERVER_PASSWORD_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub postgres_observer_password_file: Option<PathBuf>,
    /// Role of the notifiers.
    #[arg(
        long,
        env = "POSTGRES_NOTIFIER_USER",
        default_value = "anomaly_notifier"
    )]
    pub postgres_notifier_user: String,
    /// File that holds its password. Without one the role is not made.
    #[arg(long, env = "POSTGRES_NOTIFIER_PASSWORD_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub postgres_notifier_password_file: Option<PathBuf>,
}

/// What a role may do.
struct Role<'a> {
    name: &'a str,
    password_file: Option<&'a Path>,
    /// Privileges, and the tables on which it has them.
    tables: &'static [(&'static str, &'static str)],
    /// On the database.
    database: &'static str,
}

impl RolesConfig {
    fn roles(&self) -> [Role<'_>; 4] {
        [
            Role {
                name: &self.postgres_writer_user,
                password_file: self.postgres_writer_password_file.as_deref(),
                tables: &[
                    (
                        ALL,
                        "series, models, aliases, receipts, training_data, consumer_offsets",
                    ),
                    ("SELECT", "stream_sessions, anomalies, feedback"),
                ],
                // Points come in through a temporary table.
                database: "CONNECT, TEMPORARY",
            },
            Role {
                name: &self.postgres_reader_user,
                password_file: self.postgres_reader_password_file.as_deref(),
                tables: &[("SELECT", "series, models, aliases")],
                database: "CONNECT",
            },
            Role {
                name: &self.postgres_observer_user,
                password_file: self.postgres_observer_password_file.as_deref(),
                tables: &[
                    ("SELECT", "series, models, aliases, training_data"),
                    (PROBE, "consumer_offsets"),
                    (
                        ALL,
                        "stream_layout, stream_partitions, stream_sessions, stream_points, \
                         anomalies, feedback, incidents, outbox, silences",
                    ),
                ],
                database: "CONNECT",
            },
            Role {
                name: &self.postgres_notifier_user,
                password_file: self.postgres_notifier_password_file.as_deref(),
                tables: &[
                    ("SELECT", "series, stream_sessions"),
                    (PROBE, "consumer_offsets"),
                    (ALL, "anomalies, feedback, incidents, outbox, silences"),
                ],
                database: "CONNECT",
            },
        ]
    }
}

/// Everything that can be done to rows.
const ALL: &str = "SELECT, INSERT, UPDATE, DELETE";
/// What the health check does to see whether the database can be written.
const PROBE: &str = "SELECT, INSERT, DELETE";

impl PostgresStore {
    /// See [`crate::Store::grant`].
    pub(crate) async fn grant(&self, config: &RolesConfig) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        // One at a time: rights are rows, and two writers of a row disturb each other.
        const OWN: &str = "
            SELECT current_user::text FROM pg_advisory_xact_lock(hashtext('anomaly roles'))";
        let own: String = sqlx::query_scalar(OWN).fetch_one(&mut *transaction).await?;
        for role in config.roles() {
            if let Some(password) = settings::secret(role.password_file)? {
                if role.name == own {
                    return Err(StoreError::OwnRole(own));
                }
                make(&mut transaction, &role, &password).await?;
                tracing::info!(role = role.name, "may do what its services need");
            }
        }
        Ok(transaction.commit().await?)
    }
}

/// Makes `role`, or gives it its password and takes all rights from it, and grants what it needs.
async fn make(
    connection: &mut PgConnection,
    role: &Role<'_>,
    password: &str,
) -> Result<(), StoreError> {
    // The server quotes the names and the password.
    const STATEMENTS: &str = "
        SELECT format(
            CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = $1) THEN 'ALTER' ELSE 'CREATE' END
            || ' ROLE %1$I LOGIN PASSWORD %2$L;
            REVOKE ALL ON ALL TABLES IN SCHEMA %3$I FROM %1$I;
            REVOKE ALL ON SCHEMA %3$I FROM %1$I;
            REVOKE ALL ON DATABASE %4$I FROM %1$I;
            REVOKE TEMPORARY ON DATABASE %4$I FROM PUBLIC;
            REVOKE CREATE ON SCHEMA %3$I FROM PUBLIC;
            GRANT USAGE ON SCHEMA %3$I TO %1$I;
            GRANT ' || $3 || ' ON DATABASE %4$I TO %1$I;',
            $1, $2, current_schema(), current_database()
        )";
    let statements: String = sqlx::query_scalar(STATEMENTS)
        .bind(role.name)
        .bind(password)
        .bind(role.database)
        .fetch_one(&mut *connection)
        .await?;
    connection.execute(statements.as_str()).await?;
    for (privileges, tables) in role.tables {
        grant(connection, role.name, privileges, tables).await?;
    }
    Ok(())
}

/// Gives `role` these privileges on these tables.
async fn grant(
    connection: &mut PgConnection,
    role: &str,
    privileges: &str,
    tables: &str,
) -> Result<(), StoreError> {
    const STATEMENT: &str = "SELECT format('GRANT ' || $2 || ' ON ' || $3 || ' TO %I', $1)";
    let statement: String = sqlx::query_scalar(STATEMENT)
        .bind(role)
        .bind(privileges)
        .bind(tables)
        .fetch_one(&mut *connection)
        .await?;
    connection.execute(statement.as_str()).await?;
    Ok(())
}
