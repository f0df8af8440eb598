//! A few runs of what `faults run` repeats at length.

use anyhow::{Context, ensure};

/// Runs the scenario `name` that many times.
async fn passes(name: &str, runs: usize) -> anyhow::Result<()> {
    let scenario = faults::all().into_iter().find(|s| s.name == name);
    let outcome = faults::run(&scenario.context("no such scenario")?, runs).await?;
    ensure!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    ensure!(outcome.fits >= 24 * runs, "{outcome:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_standalone_lose_nothing() -> anyhow::Result<()> {
    passes("standalone-kill", 3).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standalone_that_hangs_for_a_while_goes_on_afterwards() -> anyhow::Result<()> {
    passes("standalone-freeze-8s", 1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_log_loses_nothing_that_was_applied() -> anyhow::Result<()> {
    passes("standalone-lost-log", 1).await
}

mod distributed {
    use super::passes;

    /// Two clusters at once are more than a small machine has room for.
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Kafka, Postgres and Redis to start and stop: .ci/servers.sh install"]
    async fn with_each_part_killed_in_turn_nothing_is_lost() -> anyhow::Result<()> {
        let _turn = ONE_AT_A_TIME.lock().await;
        passes("cluster-soak", 10).await
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Kafka, Postgres and Redis to start and stop: .ci/servers.sh install"]
    async fn a_database_that_is_gone_without_a_word_is_found_again() -> anyhow::Result<()> {
        let _turn = ONE_AT_A_TIME.lock().await;
        passes("cluster-network-postgres-half-open", 1).await
    }
}
