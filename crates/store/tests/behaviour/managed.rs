//! Postgres as managed services have it: behind a pooler, and by TLS.

use std::path::PathBuf;

use anyhow::Result;
use store::{PostgresConfig, SslMode, Store, StoreError};

use crate::backend::{Access, Backend, Postgres, config, error_of, run, variable};

/// Through `PgBouncer` in transaction mode, which gives fewer connections to the server than the
/// store has.
struct Pooled;

impl Access for Pooled {
    fn config(_: &str, name: &str) -> Result<PostgresConfig> {
        let url = variable("TEST_PGBOUNCER_URL")?;
        let (server, _) = url.rsplit_once('/').unwrap_or_default();
        Ok(PostgresConfig {
            postgres_statement_cache: 0,
            ..config(format!("{server}/{name}"))
        })
    }
}

type BehindPooler = Postgres<Pooled>;

crate::run_suite!(BehindPooler, ignore = "needs PgBouncer: TEST_PGBOUNCER_URL");

/// The settings for the test server by TLS, with `localhost` or its address as its name.
fn by_tls(host: &str, mode: SslMode, authority: &str) -> Result<PostgresConfig> {
    let url = variable("TEST_DATABASE_URL")?.replace("127.0.0.1", host);
    let folder = PathBuf::from(variable("TEST_TLS_FOLDER")?);
    Ok(PostgresConfig {
        postgres_ssl_mode: mode,
        postgres_ssl_ca: Some(folder.join(authority)),
        ..config(url)
    })
}

#[tokio::test]
#[ignore = "needs Postgres with TLS: TEST_TLS_FOLDER"]
async fn a_server_is_believed_by_its_authority_and_its_name() -> Result<()> {
    use SslMode::{Require, VerifyCa, VerifyFull};
    for (host, mode, authority) in [
        ("localhost", VerifyFull, "ca.pem"),
        ("localhost", VerifyCa, "ca.pem"),
        ("127.0.0.1", Require, "other-ca.pem"),
    ] {
        Store::postgres(&by_tls(host, mode, authority)?)?
            .reach()
            .await?;
    }
    for (host, mode, authority) in [
        ("127.0.0.1", VerifyFull, "ca.pem"),
        ("localhost", VerifyFull, "other-ca.pem"),
        ("localhost", VerifyCa, "other-ca.pem"),
    ] {
        let store = Store::postgres(&by_tls(host, mode, authority)?)?;
        let error = error_of(store.reach().await)?;
        assert!(matches!(error, StoreError::Connecting { .. }), "{error:?}");
        let said = format!("{:#}", anyhow::Error::from(error));
        assert!(
            said.contains("TLS") && said.contains("certificate"),
            "{said}"
        );
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs Postgres: TEST_DATABASE_URL"]
async fn a_database_without_tables_is_reached_and_not_ready() -> Result<()> {
    run::<Postgres>(async |backend| {
        backend
            .execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            .await?;
        let store = backend.open().await?;
        store.reach().await?;
        let error = error_of(store.ping().await)?;
        assert!(matches!(error, StoreError::NotMigrated(_)), "{error:?}");
        Ok(())
    })
    .await
}
