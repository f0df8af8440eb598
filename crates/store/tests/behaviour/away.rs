//! A Postgres that is not there. Needs none.

use std::time::{Duration, Instant};

use anyhow::Result;
use contract::SeriesId;
use store::Store;
use tokio::net::TcpListener;

use crate::backend::{config, error_of, serving};

/// Asks a store on `port` for something, and demands a quick and honest no.
async fn says_so_in_time(port: u16) -> Result<()> {
    let store = Store::postgres(&config(format!("postgres://u@127.0.0.1:{port}/d")))?;
    let start = Instant::now();
    let error = error_of(serving(&store, &SeriesId::new("s")?).await)?;
    assert!(error.is_transient(), "{error:?}");
    assert!(start.elapsed() < Duration::from_millis(4_900));
    let start = Instant::now();
    assert!(error_of(store.ping().await)?.is_transient());
    assert!(start.elapsed() < Duration::from_millis(3_900));
    let start = Instant::now();
    assert!(error_of(store.migrate().await)?.is_transient());
    store.close().await;
    assert!(start.elapsed() < Duration::from_secs(8));
    Ok(())
}

#[tokio::test]
async fn a_port_where_no_one_listens_is_a_passing_trouble() -> Result<()> {
    // No system gives this port to a listener that takes any.
    says_so_in_time(1).await
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_passing_trouble() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    says_so_in_time(listener.local_addr()?.port()).await
}
