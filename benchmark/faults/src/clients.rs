//! Clients that fit, predict, promote and delete whatever happens, and note what is acknowledged.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use contract::{DetectorName, FitOptions, FitReply, PredictReply, Version};
use testkit::{Client, Reply, eventually, series};
use tokio::task::JoinSet;

use crate::{
    journal::{Call, End, Fit, Journal, Kind},
    streams,
};

/// The series that is predicted. It is fitted once.
pub(crate) const HELD: &str = "held";
/// Clients that fit, on half as many series.
const FITTERS: usize = 4;
/// Clients that observe, each a stream of its own.
const OBSERVERS: usize = 2;
/// Clients that predict.
pub(crate) const PREDICTORS: usize = 2;
/// The least points of the largest fits: several messages, so that a fault finds some published
/// and others not.
const MANY: usize = 25_000;
/// The pause of a client after a fit, and after anything that failed.
const PAUSE: Duration = Duration::from_millis(20);
/// The pause after a prediction.
const SHORT_PAUSE: Duration = Duration::from_millis(4);

/// The clients of one run.
pub(crate) struct Load {
    clients: JoinSet<()>,
    state: Arc<State>,
}

struct State {
    client: Client,
    run: usize,
    is_over: AtomicBool,
    is_paused: AtomicBool,
    /// Requests that are being answered.
    in_flight: AtomicUsize,
    fits: AtomicUsize,
    journal: Mutex<Journal>,
}

impl Load {
    /// Starts the clients of `run`, which use series of their own and [`HELD`].
    pub(crate) fn start(client: Client, run: usize) -> Self {
        let state = Arc::new(State {
            client,
            run,
            is_over: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            fits: AtomicUsize::new(0),
            journal: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for n in 0..FITTERS {
            let least = if n == 0 { MANY } else { 10 };
            let series = format!("run{run}_{}", n % (FITTERS / 2));
            clients.spawn(Arc::clone(&state).repeat(PAUSE, move |state| {
                let series = series.clone();
                async move { state.fit(&series, least).await.is_some() }
            }));
        }
        for _ in 0..PREDICTORS {
            let predict = async |state: Arc<State>| state.predict().await;
            clients.spawn(Arc::clone(&state).repeat(SHORT_PAUSE, predict));
        }
        for n in 0..OBSERVERS {
            let series = format!("run{run}_stream{n}");
            clients.spawn(Arc::clone(&state).repeat(PAUSE, move |state| {
                let series = series.clone();
                async move { state.observe(&series).await.is_ok() }
            }));
        }
        let last = Arc::<Mutex<Option<Version>>>::default();
        clients.spawn(Arc::clone(&state).repeat(PAUSE, move |state| {
            let last = Arc::clone(&last);
            async move { state.change_registry(&last).await }
        }));
        Self { clients, state }
    }

    /// Waits for `fits` more fits and ten times as many predictions.
    ///
    /// # Errors
    /// When that takes more than two minutes.
    pub(crate) async fn goes_on_for(&self, fits: usize) -> anyhow::Result<()> {
        let done = || {
            let journal = self.state.journal();
            (journal.fits.len(), journal.answered.len())
        };
        let (fits, predictions) = (done().0 + fits, done().1 + 10 * fits);
        eventually("the clients to go on", || async {
            let (fitted, predicted) = done();
            ensure!(fitted >= fits, "{fitted} of {fits} fits");
            ensure!(predicted >= predictions, "{predicted} of {predictions}");
            Ok(())
        })
        .await
    }

    /// Lets every client finish its request, and wait. The fits and the number of predictions that
    /// were acknowledged so far.
    ///
    /// # Errors
    /// When that takes more than two minutes.
    pub(crate) async fn pause(&self) -> anyhow::Result<(Vec<Fit>, usize)> {
        self.state.is_paused.store(true, Ordering::SeqCst);
        eventually("the clients to rest", || async {
            let busy = self.state.in_flight.load(Ordering::SeqCst);
            ensure!(busy == 0, "{busy} requests in flight");
            Ok(())
        })
        .await?;
        let journal = self.state.journal();
        Ok((journal.fits.clone(), journal.answered.len()))
    }

    /// Lets the clients go on.
    pub(crate) fn resume(&self) {
        self.state.is_paused.store(false, Ordering::SeqCst);
    }

    /// Lets every client finish its request, and returns their journal.
    ///
    /// # Errors
    /// When a client panicked.
    pub(crate) async fn end(mut self) -> anyhow::Result<Journal> {
        self.state.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended?;
        }
        Ok(std::mem::take(&mut *self.state.journal()))
    }
}

impl State {
    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_paused(&self) -> bool {
        self.is_paused.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Repeats `ask`, which tells whether it succeeded, with `pause` after each success.
    async fn repeat<Fut: Future<Output = bool>>(
        self: Arc<Self>,
        pause: Duration,
        ask: impl Fn(Arc<Self>) -> Fut,
    ) {
        while !self.is_over() {
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            // Looked at after it has said that it is busy: whoever pauses waits for it.
            let succeeded = !self.is_paused() && ask(Arc::clone(&self)).await;
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            tokio::time::sleep(if succeeded { pause } else { PAUSE }).await;
        }
    }

    fn note_call(&self, kind: Kind, started: Instant, end: End) {
        self.journal().calls.push(Call {
            kind,
            started,
            ended: Instant::now(),
            end,
        });
    }

    /// One fit of at least `least` points. The new version, if it is acknowledged.
    async fn fit(&self, series: &str, least: usize) -> Option<Version> {
        let points = least + self.fits.fetch_add(1, Ordering::SeqCst);
        let started = Instant::now();
        let reply = fit(self.client, series, points).await;
        let end = match &reply {
            Ok(_) => End::Worked,
            Err(error) if error.is::<NoSpace>() => End::NoSpace,
            Err(_) => End::Failed,
        };
        self.note_call(Kind::Fit, started, end);
        let mut journal = self.journal();
        match reply {
            Ok(version) => {
                journal.fits.push(Fit {
                    series: series.to_owned(),
                    version,
                    points,
                });
                Some(version)
            }
            Err(_) => {
                journal.open_fits.insert((series.to_owned(), points));
                None
            }
        }
    }

    /// One prediction of [`HELD`].
    async fn predict(&self) -> bool {
        let started = Instant::now();
        let path = format!("/predict/{HELD}");
        let body = r#"{"timestamp":1693460000,"value":1.5}"#;
        let reply = self.client.post(&path, body).await;
        let reply = reply.ok().filter(|reply| reply.status == 200);
        let end = match &reply {
            Some(_) => End::Worked,
            None => End::Failed,
        };
        self.note_call(Kind::Predict, started, end);
        let mut journal = self.journal();
        match &reply {
            Some(reply) => {
                journal.answered.push(Instant::now());
                if let Err(error) = check_verdict(reply) {
                    journal.wrong.push(format!("{error:#}"));
                }
            }
            None => journal.unanswered += 1,
        }
        reply.is_some()
    }

    /// The next point of `series`, until it is judged.
    async fn observe(&self, series: &str) -> anyhow::Result<()> {
        let next = self.journal().streams.get(series).map_or(0, Vec::len);
        if next == 0 {
            streams::begin(self.client, series).await?;
        }
        let verdict = streams::observe(self.client, series, next).await?;
        let streams = &mut self.journal().streams;
        streams.entry(series.to_owned()).or_default().push(verdict);
        Ok(())
    }

    /// A fit of a series that no other client uses, a promotion of it, and a deletion of the `last`.
    async fn change_registry(&self, last: &Mutex<Option<Version>>) -> bool {
        let series = format!("run{}_registry", self.run);
        let Some(version) = self.fit(&series, 10).await else {
            return false;
        };
        self.promote(&series, version).await;
        let last = last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(version);
        if let Some(last) = last {
            self.delete(&series, last).await;
        }
        true
    }

    async fn promote(&self, series: &str, version: Version) {
        let name = version.to_string();
        let set = self.client.set_alias(series, "champion", &name).await;
        let registry = &mut self.journal().registry;
        if set.is_ok() {
            registry.champion.clear();
            registry.promotions += 1;
        }
        registry.champion.push(version);
    }

    async fn delete(&self, series: &str, version: Version) {
        self.journal().registry.doomed.insert(version);
        let path = format!("/v1/series/{series}/models/{version}");
        let reply = self.client.delete(&path, &[]).await;
        if reply.is_ok_and(|reply| (200..300).contains(&reply.status)) {
            self.journal().registry.deleted.insert(version);
        }
    }
}

/// A refusal for want of space.
#[derive(Debug)]
struct NoSpace;

impl std::error::Error for NoSpace {}

impl std::fmt::Display for NoSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no space left")
    }
}

/// Fits `series` on `points` points that rise from 1.
///
/// # Errors
/// When the fit is not acknowledged.
pub(crate) async fn fit(client: Client, series: &str, points: usize) -> anyhow::Result<Version> {
    let options = FitOptions {
        detector: Some(DetectorName::Sigma),
        ..FitOptions::default()
    };
    let body = series::body_with(&series::rising(points, 1.0), options);
    let reply = client.post(&format!("/fit/{series}"), &body).await?;
    if reply.status == 507 {
        return Err(NoSpace.into());
    }
    let fitted: FitReply = reply.ok()?;
    ensure!(fitted.points_used == points, "{fitted:?}");
    Ok(fitted.version)
}

fn check_verdict(reply: &Reply) -> anyhow::Result<()> {
    let judged: PredictReply = reply.json().context("a verdict that is none")?;
    ensure!(judged.model_version.number() == 1, "{HELD}: {judged:?}");
    ensure!(!judged.verdict.anomaly, "{HELD}: {judged:?}");
    Ok(())
}
