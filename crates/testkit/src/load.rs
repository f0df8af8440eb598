//! Clients that keep a platform busy whatever happens to it, and remember the replies.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::ensure;
use contract::Version;
use tokio::task::JoinSet;

use crate::{Client, eventually, series};

/// How long a client waits after a refusal or without a reply.
const PAUSE: Duration = Duration::from_millis(20);

/// The points of the largest fits: several parts, so that a kill finds some published and others
/// not.
const MANY: usize = 25_000;

/// Clients that repeat a request, each as soon as it has its reply.
pub struct LoadGenerator<T> {
    clients: JoinSet<anyhow::Result<Vec<T>>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answered: AtomicUsize,
    may_fail: AtomicBool,
    is_over: AtomicBool,
}

impl<T: Send + 'static> LoadGenerator<T> {
    /// Starts `clients` clients. `ask` gets the number of the client and of its request. It returns
    /// `None` for a refusal that is allowed.
    fn start<F, Fut>(clients: usize, ask: F) -> Self
    where
        F: Fn(usize, usize) -> Fut + Clone + Send + 'static,
        Fut: Future<Output = anyhow::Result<Option<T>>> + Send + 'static,
    {
        let mut load = Self {
            clients: JoinSet::new(),
            state: Arc::default(),
        };
        for client in 0..clients {
            let (ask, state) = (ask.clone(), Arc::clone(&load.state));
            load.clients.spawn(async move {
                let mut answers = Vec::new();
                for request in 0.. {
                    if state.is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    match ask(client, request).await {
                        Ok(Some(answer)) => {
                            answers.push(answer);
                            state.answered.fetch_add(1, Ordering::SeqCst);
                        }
                        Ok(None) => tokio::time::sleep(PAUSE).await,
                        Err(_) if state.may_fail.load(Ordering::SeqCst) => {
                            tokio::time::sleep(PAUSE).await;
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(answers)
            });
        }
        load
    }

    /// From now on a request may fail, because the process that answers it is being killed.
    pub fn expect_failures(&self) {
        self.state.may_fail.store(true, Ordering::SeqCst);
    }

    /// The number of replies so far.
    pub fn answered(&self) -> usize {
        self.state.answered.load(Ordering::SeqCst)
    }

    /// Waits for `n` more replies.
    ///
    /// # Errors
    /// When that takes more than a minute.
    pub async fn goes_on_for(&self, n: usize) -> anyhow::Result<()> {
        let goal = self.answered() + n;
        eventually("enough answers", || async {
            ensure!(self.answered() >= goal, "{} of {goal}", self.answered());
            Ok(())
        })
        .await
    }

    /// Lets every client finish its request, and returns all replies.
    ///
    /// # Errors
    /// The first failure that was not expected.
    pub async fn end(mut self) -> anyhow::Result<Vec<T>> {
        self.state.is_over.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        while let Some(ended) = self.clients.join_next().await {
            all.append(&mut ended??);
        }
        Ok(all)
    }
}

/// A fit that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fitted {
    /// The version of its model.
    pub version: Version,
    /// The number of points that it was fitted on.
    pub points: usize,
}

/// Starts `clients` clients that fit `series` series. The fits of a series differ in their number
/// of points. One client sends large ones.
pub fn fitting(client: Client, clients: usize, series: usize) -> LoadGenerator<(String, Fitted)> {
    LoadGenerator::start(clients, move |n, request| {
        let series = format!("load_{}", n % series);
        let least = if n == 0 { MANY } else { 10 + n };
        async move {
            let fitted = fit(client, &series, least + request * clients).await?;
            Ok(fitted.map(|fitted| (series, fitted)))
        }
    })
}

/// Starts `clients` clients that predict points of `series`, which is trained.
pub fn predicting(client: Client, clients: usize, series: &'static str) -> LoadGenerator<()> {
    LoadGenerator::start(clients, move |_, _| async move {
        client.predict(series, 1.0).await?;
        Ok(Some(()))
    })
}

/// One fit. `None` if the platform is too busy for it.
async fn fit(client: Client, series: &str, points: usize) -> anyhow::Result<Option<Fitted>> {
    let body = series::body(&series::rising(points, 1.0));
    let reply = client.post(&format!("/fit/{series}"), &body).await?;
    if reply.status == 503 && reply.header("retry-after").is_some() {
        return Ok(None);
    }
    let fitted: contract::FitReply = reply.ok()?;
    ensure!(
        fitted.points_used == points,
        "{fitted:?} of {points} points"
    );
    Ok(Some(Fitted {
        version: fitted.version,
        points,
    }))
}

/// All fits that were acknowledged, by series.
#[derive(Default)]
pub struct Acknowledged(BTreeMap<String, BTreeSet<Fitted>>);

impl Acknowledged {
    /// Adds fits that were acknowledged by a process that started after all known fits.
    ///
    /// # Errors
    /// When a version was given twice, or is not newer than all known ones.
    pub fn go_on(&mut self, later: Vec<(String, Fitted)>) -> anyhow::Result<()> {
        let known: BTreeMap<_, _> = self.newest().collect();
        for (series, fitted) in later {
            let newest = known.get(&series);
            ensure!(
                newest.is_none_or(|newest| fitted.version > *newest),
                "{series}: {fitted:?} after {newest:?}"
            );
            let versions = self.0.entry(series.clone()).or_default();
            let twice = versions.iter().any(|other| other.version == fitted.version);
            ensure!(!twice, "{series}: {fitted:?} was given twice");
            versions.insert(fitted);
        }
        Ok(())
    }

    /// The newest version of each series.
    fn newest(&self) -> impl Iterator<Item = (String, Version)> {
        let newest = |(series, fits): (&String, &BTreeSet<Fitted>)| {
            Some((series.clone(), fits.last()?.version))
        };
        self.0.iter().filter_map(newest)
    }

    /// Demands that every series predicts with its newest version or a newer one, and that every
    /// version has its points.
    ///
    /// # Errors
    /// The first series or version for which that is not so.
    pub async fn check(&self, client: Client) -> anyhow::Result<()> {
        for (series, newest) in self.newest() {
            let judged = client.predict(&series, 0.0).await?;
            ensure!(
                judged.model_version >= newest,
                "{series} is judged by {} after {newest}",
                judged.model_version
            );
        }
        for (series, fits) in &self.0 {
            for fitted in fits {
                check_plot(client, series, *fitted).await?;
            }
        }
        Ok(())
    }

    /// The number of fits.
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
}

/// Demands that the plot of `fitted` has all points of that fit.
///
/// # Errors
/// When the plot does not exist or lacks points.
pub async fn check_plot(client: Client, series: &str, fitted: Fitted) -> anyhow::Result<()> {
    let picture = client.plot(series, fitted.version).await?;
    let points = with_commas(fitted.points);
    let title = format!("{} · {points} points", fitted.version);
    ensure!(
        picture.contains(&title),
        "{series}: no {title:?} in the plot"
    );
    Ok(())
}

fn with_commas(n: usize) -> String {
    match (n / 1000, n % 1000) {
        (0, n) => n.to_string(),
        (thousands, rest) => format!("{thousands},{rest:03}"),
    }
}
