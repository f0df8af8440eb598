//! Runs of a scenario, one after the other on one platform.

use std::time::Instant;

use anyhow::{Context, ensure};
use store::Store;
use testkit::{Client, distributed, eventually, series, servers::OwnServers};

use crate::{
    check::{check, check_counts},
    clients::{self, HELD, Load},
    journal::{Journal, Kind},
    platform::{Platform, SHAPE, Standalone},
    readiness::Watch,
    report::Outcome,
    scenario::{Form, Scenario},
};

/// Fits before and after each fault. There are ten times as many predictions.
const FITS: usize = 12;

/// Repeats `scenario` that many times.
///
/// # Errors
/// When the platform cannot be started. What it does wrong later is in the outcome.
pub async fn run(scenario: &Scenario, runs: usize) -> anyhow::Result<Outcome> {
    match scenario.form {
        Form::Standalone => {
            let folder = tempfile::tempdir()?;
            let mut platform = Platform::Standalone(Standalone::start(folder.path()).await?);
            Ok(Session::start(&mut platform)
                .await?
                .run(scenario, runs)
                .await)
        }
        Form::Cluster => run_in_cluster(scenario, runs).await,
    }
}

async fn run_in_cluster(scenario: &Scenario, runs: usize) -> anyhow::Result<Outcome> {
    let servers = OwnServers::start_with(3).await?;
    let mut outcome = None;
    let ended = distributed::run(servers.addresses(), SHAPE, async |services| {
        let mut platform = Platform::Cluster(services, &servers);
        let session = Session::start(&mut platform).await?;
        outcome = Some(session.run(scenario, runs).await);
        Ok(())
    })
    .await;
    match (outcome, ended) {
        (Some(outcome), Ok(())) => Ok(outcome),
        (Some(mut outcome), Err(error)) => {
            outcome.failed(format!("at the stop: {error:#}"));
            Ok(outcome)
        }
        (None, ended) => ended.and_then(|()| anyhow::bail!("nothing was run")),
    }
}

/// A platform with everything that its clients were told.
struct Session<'a, 'p> {
    platform: &'a mut Platform<'p>,
    client: Client,
    store: Store,
    journals: Vec<Journal>,
    outcome: Outcome,
    /// Predictions that must have been counted.
    counted: usize,
    /// How often recovery was looked for, with a prediction each.
    tries: usize,
}

impl<'a, 'p> Session<'a, 'p> {
    async fn start(platform: &'a mut Platform<'p>) -> anyhow::Result<Self> {
        let client = platform.client();
        client.fit(HELD, &series::three(1.0)).await?;
        Ok(Self {
            client,
            store: platform.store().await?,
            platform,
            journals: Vec::new(),
            outcome: Outcome::default(),
            counted: 0,
            tries: 0,
        })
    }

    async fn run(mut self, scenario: &Scenario, runs: usize) -> Outcome {
        for run in 1..=runs {
            self.outcome.runs = run;
            if let Err(error) = self.run_once(scenario, run).await {
                self.outcome.failed(format!("run {run}: {error:#}"));
            }
        }
        if let Err(error) = self.check_all(scenario).await {
            self.outcome.failed(format!("in the end: {error:#}"));
        }
        self.outcome
    }

    /// Load, the fault, recovery, and a look at everything that was acknowledged meanwhile.
    async fn run_once(&mut self, scenario: &Scenario, run: usize) -> anyhow::Result<()> {
        let watches = [Kind::Fit, Kind::Predict]
            .map(|kind| Watch::start(kind, self.platform.readiness_of(kind)));
        let load = Load::start(self.client, run);
        let happened = self.let_it_happen(scenario, run, &load).await;
        let journal = load.end().await?;
        let mut truth = Vec::new();
        for watch in watches {
            truth.extend(watch.end(&journal.calls).await?);
        }
        self.count(&journal, scenario, happened.as_ref().ok().copied());
        self.journals.push(journal);
        let last = self.journals.last().context("it was just pushed")?;
        happened?;
        check(last, self.client, &self.store).await?;
        ensure!(truth.is_empty(), "readiness: {}", truth.join("; "));
        Ok(())
    }

    /// When the fault began and when the platform had recovered.
    async fn let_it_happen(
        &mut self,
        scenario: &Scenario,
        run: usize,
        load: &Load,
    ) -> anyhow::Result<(Instant, Instant)> {
        load.goes_on_for(FITS).await?;
        let began = Instant::now();
        let over = scenario.fault.inject(self.platform).await?;
        let (client, tries) = (self.client, &mut self.tries);
        let series = &format!("recovery{run}");
        eventually("recovery", || {
            *tries += 1;
            async move {
                ensure!(client.get("/readyz").await?.status == 200, "not ready");
                clients::fit(client, series, 10).await?;
                client.predict(HELD, 1.5).await
            }
        })
        .await?;
        self.outcome.recovered(over.elapsed());
        self.counted += 1;
        self.outcome.predictions += 1;
        ensure!(
            over.elapsed() <= scenario.recovers_within,
            "recovered after {:.1?}",
            over.elapsed()
        );
        let recovered = Instant::now();
        load.goes_on_for(FITS).await?;
        Ok((began, recovered))
    }

    /// Adds what `journal` has to the figures.
    fn count(&mut self, journal: &Journal, scenario: &Scenario, fault: Option<(Instant, Instant)>) {
        let registry = &journal.registry;
        self.outcome.fits += journal.fits.len();
        self.outcome.predictions += journal.answered.len();
        self.outcome.changes += registry.promotions + registry.deleted.len();
        let is_safe = |at: &&Instant| match (scenario.fault.loses_counts_of(), fault) {
            (None, _) => true,
            (Some(before), Some((began, over))) => **at + before < began || **at > over,
            (Some(_), None) => false,
        };
        self.counted += journal.answered.iter().filter(is_safe).count();
    }

    /// Reads back everything of all runs, and the counts.
    async fn check_all(&mut self, scenario: &Scenario) -> anyhow::Result<()> {
        for journal in &self.journals {
            check(journal, self.client, &self.store).await?;
        }
        let made = |journal: &Journal| journal.answered.len() + journal.unanswered;
        let repeated = match scenario.fault.has_predictions_repeated() {
            true => self.outcome.runs * (clients::PREDICTORS + 1),
            false => 0,
        };
        let most = self.journals.iter().map(made).sum::<usize>() + self.tries + repeated;
        let counted = check_counts(self.client, self.counted, most).await?;
        self.outcome.counted = counted;
        Ok(())
    }
}
