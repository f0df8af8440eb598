//! Clients that keep the platform busy until it is gone, and remember what they were told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use anyhow::{Context, ensure};
use contract::Version;
use testkit::{Client, eventually, series};
use tokio::task::JoinSet;

/// How many points the biggest fits have: several parts, so that a kill finds some published and some not.
const MANY: usize = 25_000;

/// A fit that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Fitted {
    pub(crate) version: Version,
    pub(crate) points: usize,
}

/// All fits that were acknowledged, by series.
#[derive(Default)]
pub(crate) struct Acknowledged(pub(crate) BTreeMap<String, BTreeSet<Fitted>>);

impl Acknowledged {
    /// Takes in what was acknowledged since; no version of it may be one that is known, or older.
    pub(crate) fn go_on(&mut self, later: Self) -> anyhow::Result<()> {
        for (series, fits) in later.0 {
            let known = self.0.entry(series.clone()).or_default();
            if let (Some(last), Some(first)) = (known.last(), fits.first()) {
                ensure!(
                    first.version > last.version,
                    "{series}: {first:?} after {last:?}"
                );
            }
            known.extend(fits);
        }
        Ok(())
    }

    /// Demands that every series predicts with its newest version or a newer one, and that every version has its points.
    pub(crate) async fn check(&self, client: Client) -> anyhow::Result<()> {
        for (series, fits) in &self.0 {
            let newest = fits.last().context("a series without fits")?.version;
            let judged = client.predict(series, 0.0).await?;
            ensure!(
                judged.model_version >= newest,
                "{series} is judged by {} after {newest}",
                judged.model_version
            );
            for fitted in fits {
                check_plot(client, series, *fitted).await?;
            }
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
}

/// Demands that the plot of `fitted` has all points of that fit.
pub(crate) async fn check_plot(client: Client, series: &str, fitted: Fitted) -> anyhow::Result<()> {
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

/// Clients that fit until the platform is gone.
pub(crate) struct Fitting {
    clients: JoinSet<anyhow::Result<Vec<(String, Fitted)>>>,
    acknowledged: Arc<AtomicUsize>,
    gone: Arc<AtomicBool>,
}

impl Fitting {
    /// Starts `clients` of them over `series` series. Fits differ in their number of points; one client sends big ones.
    pub(crate) fn start(client: Client, clients: usize, series: usize) -> Self {
        let mut fitting = Self {
            clients: JoinSet::new(),
            acknowledged: Arc::default(),
            gone: Arc::default(),
        };
        for n in 0..clients {
            let (acknowledged, gone) = (fitting.acknowledged.clone(), fitting.gone.clone());
            let series = format!("load_{}", n % series);
            let mut points = if n == 0 { MANY } else { 10 + n };
            fitting.clients.spawn(async move {
                let mut fits = Vec::new();
                loop {
                    points += clients;
                    match fit(client, &series, points).await {
                        Ok(Some(fitted)) => fits.push((series.clone(), fitted)),
                        Ok(None) => continue,
                        Err(_) if gone.load(Ordering::SeqCst) => return Ok(fits),
                        Err(error) => return Err(error),
                    }
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        fitting
    }

    /// Waits until `n` fits have been acknowledged.
    pub(crate) async fn reaches(&self, n: usize) -> anyhow::Result<()> {
        eventually("enough fits", || async {
            let so_far = self.acknowledged.load(Ordering::SeqCst);
            ensure!(so_far >= n, "{so_far} of {n}");
            Ok(())
        })
        .await
    }

    /// From now on the platform may be gone.
    pub(crate) fn expect_the_end(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// What was acknowledged, once the last client has noticed that the platform is gone.
    pub(crate) async fn acknowledged(mut self) -> anyhow::Result<Acknowledged> {
        let mut all = Acknowledged::default();
        while let Some(ended) = self.clients.join_next().await {
            for (series, fitted) in ended?? {
                let versions = all.0.entry(series.clone()).or_default();
                let twice = versions.iter().any(|known| known.version == fitted.version);
                ensure!(!twice, "{series}: {fitted:?} was given twice");
                versions.insert(fitted);
            }
        }
        Ok(all)
    }
}

/// One fit; `None` when the platform is too busy for it.
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

/// Clients that predict until the platform is gone.
pub(crate) struct Predicting {
    clients: JoinSet<anyhow::Result<u64>>,
    gone: Arc<AtomicBool>,
}

impl Predicting {
    /// Starts `clients` of them on `series`, which is trained.
    pub(crate) fn start(client: Client, clients: usize, series: &'static str) -> Self {
        let gone: Arc<AtomicBool> = Arc::default();
        let mut predicting = JoinSet::new();
        for _ in 0..clients {
            let gone = gone.clone();
            predicting.spawn(async move {
                let mut answered = 0;
                loop {
                    match client.predict(series, 1.0).await {
                        Ok(_) => answered += 1,
                        Err(_) if gone.load(Ordering::SeqCst) => return Ok(answered),
                        Err(error) => return Err(error),
                    }
                }
            });
        }
        Self {
            clients: predicting,
            gone,
        }
    }

    /// From now on the platform may be gone.
    pub(crate) fn expect_the_end(&self) {
        self.gone.store(true, Ordering::SeqCst);
    }

    /// How many predictions were answered, once the last client has noticed that the platform is gone.
    pub(crate) async fn answered(mut self) -> anyhow::Result<u64> {
        let mut all = 0;
        while let Some(ended) = self.clients.join_next().await {
            all += ended??;
        }
        Ok(all)
    }
}
