//! Runs of a scenario, one after the other on one platform.

use std::time::Instant;

use anyhow::{Context, ensure};
use store::Store;
use testkit::{Client, eventually, series};

use crate::{
    check::{check, check_counts, check_points},
    clients::{self, HELD, Load},
    fault::Fault,
    journal::Journal,
    platform::Platform,
    readiness::Watch,
    report::Outcome,
    scenario::Scenario,
    streams,
};

/// Fits before and after each fault. There are ten times as many predictions.
const FITS: usize = 12;

/// A platform with everything that its clients were told.
pub(crate) struct Session<'a, 'p> {
    platform: &'a mut Platform<'p>,
    client: Client,
    store: Store,
    journals: Vec<Journal>,
    outcome: Outcome,
    /// Predictions that must have been counted.
    counted: usize,
    /// How often recovery was looked for, with a prediction each.
    tries: usize,
    /// Predictions that may have been judged, and counted, twice.
    repeated: usize,
}

impl<'a, 'p> Session<'a, 'p> {
    /// A session that has not run yet.
    ///
    /// # Errors
    /// When the platform does not work.
    pub(crate) async fn start(platform: &'a mut Platform<'p>) -> anyhow::Result<Self> {
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
            repeated: 0,
        })
    }

    /// Repeats `scenario` that many times.
    pub(crate) async fn run(mut self, scenario: &Scenario, runs: usize) -> Outcome {
        for run in 1..=runs {
            self.outcome.runs = run;
            if let Err(error) = self.run_once(scenario, run).await {
                self.outcome.failed(format!("run {run}: {error:#}"));
            }
        }
        if let Err(error) = self.check_all().await {
            self.outcome.failed(format!("in the end: {error:#}"));
        }
        self.outcome
    }

    /// Load, the fault, recovery, and a look at everything that was acknowledged meanwhile.
    async fn run_once(&mut self, scenario: &Scenario, run: usize) -> anyhow::Result<()> {
        let mut faults = scenario.faults.iter().cycle();
        let fault = *faults.nth(run - 1).context("a scenario without a fault")?;
        let readiness = self.platform.readiness().into_iter();
        let watches: Vec<_> = readiness
            .map(|(kinds, clients)| Watch::start(kinds, clients))
            .collect();
        let load = Load::start(self.client, run);
        let happened = self.let_it_happen(fault, scenario, run, &load).await;
        let happened = happened.with_context(|| format!("{fault:?}"));
        let mut journal = load.end().await?;
        if fault.loses_points() {
            journal.streams.clear();
        }
        let finished = streams::finish(&mut journal, self.client).await;
        let mut truth = Vec::new();
        for watch in watches {
            truth.extend(watch.end(&journal.calls).await?);
        }
        self.count(&journal, fault, happened.as_ref().ok().copied());
        self.journals.push(journal);
        let last = self.journals.last().context("it was just pushed")?;
        happened?;
        finished?;
        streams::check(last, self.client).await?;
        check(last, self.client, &self.store).await?;
        ensure!(truth.is_empty(), "readiness: {}", truth.join("; "));
        Ok(())
    }

    /// When the fault began and when the platform had recovered.
    async fn let_it_happen(
        &mut self,
        fault: Fault,
        scenario: &Scenario,
        run: usize,
        load: &Load,
    ) -> anyhow::Result<(Instant, Instant)> {
        load.goes_on_for(FITS).await?;
        if fault.needs_rest() {
            self.rest(load).await?;
        }
        let began = Instant::now();
        let over = fault.inject(self.platform).await?;
        load.resume();
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

    /// Waits until the clients rest and everything that they were told of is applied.
    async fn rest(&self, load: &Load) -> anyhow::Result<()> {
        let (fits, predictions) = load.pause().await?;
        for fit in fits {
            // One that was deleted since has no points to wait for.
            if !fit.series.ends_with("registry") {
                check_points(&self.store, &fit.series, fit.version, fit.points).await?;
            }
        }
        check_counts(self.client, self.counted + predictions, usize::MAX).await?;
        Ok(())
    }

    /// Adds what `journal` has to the figures.
    fn count(&mut self, journal: &Journal, fault: Fault, time: Option<(Instant, Instant)>) {
        let registry = &journal.registry;
        self.outcome.fits += journal.fits.len();
        self.outcome.predictions += journal.answered.len();
        self.outcome.changes += registry.promotions + registry.deleted.len();
        let is_safe = |at: &&Instant| match (fault.loses_counts_of(), time) {
            (None, _) => true,
            (Some(before), Some((began, over))) => **at + before < began || **at > over,
            (Some(_), None) => false,
        };
        let safe = journal.answered.iter().filter(is_safe).count();
        self.counted += safe;
        if fault.has_events_repeated() {
            self.repeated += journal.answered.len() - safe;
        }
        if fault.has_predictions_repeated() {
            let meanwhile = |at: &&Instant| time.is_none_or(|(from, to)| (from..=to).contains(*at));
            let answered = journal.answered.iter().filter(meanwhile).count();
            self.repeated += answered + clients::PREDICTORS + 1;
        }
        // Each client may have lost the connection on which one waited too long.
        self.repeated += journal.slow_predictions() * clients::PREDICTORS;
    }

    /// Reads back everything of all runs, and the counts.
    async fn check_all(&mut self) -> anyhow::Result<()> {
        for journal in &self.journals {
            streams::check(journal, self.client).await?;
            check(journal, self.client, &self.store).await?;
        }
        let made = |journal: &Journal| journal.answered.len() + journal.unanswered;
        let most = self.journals.iter().map(made).sum::<usize>() + self.tries + self.repeated;
        let counted = check_counts(self.client, self.counted, most).await?;
        self.outcome.counted = counted;
        Ok(())
    }
}
