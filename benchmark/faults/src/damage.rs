//! Files that are damaged while standalone does not run: it may refuse to start or to answer, but
//! says nothing that is wrong.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use contract::PredictReply;
use testkit::{Client, eventually, load::Fitted, load::check_plot};

use crate::{clients, platform::Standalone, report::Outcome};

/// What happens to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// That many bits are flipped, anywhere behind the header.
    BitFlips(usize),
    /// The second half is missing.
    CutInHalf,
}

/// Series that are fitted beforehand, each with two versions.
const SERIES: usize = 20;
/// The points of the first version of a series; the second has one more.
const POINTS: usize = 50;
/// The bytes at the start of a SQLite file that are its header.
const HEADER: usize = 100;

impl Damage {
    fn to(self, file: &Path) -> anyhow::Result<()> {
        let mut bytes = std::fs::read(file)?;
        match self {
            Self::BitFlips(bits) => {
                for _ in 0..bits {
                    let place = fastrand::usize(HEADER..bytes.len());
                    bytes[place] ^= 1 << fastrand::u32(0..8);
                }
            }
            Self::CutInHalf => bytes.truncate(bytes.len() / 2),
        }
        Ok(std::fs::write(file, bytes)?)
    }
}

/// Damages `file` of a sound data folder that many times.
///
/// # Errors
/// When standalone does not work without damage.
pub(crate) async fn run(damage: Damage, file: &str, runs: usize) -> anyhow::Result<Outcome> {
    let sound = tempfile::tempdir()?;
    prepare(sound.path()).await?;
    let mut outcome = Outcome::default();
    for run in 1..=runs {
        outcome.runs = run;
        let folder = tempfile::tempdir()?;
        for entry in std::fs::read_dir(sound.path())? {
            let entry = entry?;
            std::fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
        }
        damage.to(&folder.path().join(file))?;
        if let Err(error) = look(folder.path(), &mut outcome).await {
            outcome.failed(format!("run {run}: {error:#}"));
        }
    }
    Ok(outcome)
}

/// Fits all series and stops cleanly.
async fn prepare(folder: &Path) -> anyhow::Result<()> {
    let mut standalone = Standalone::start(folder, None, None).await?;
    for n in 0..SERIES {
        for points in [POINTS, POINTS + 1] {
            let (client, name) = (standalone.client(), format!("s{n}"));
            let version = clients::fit(client, &name, points).await?;
            check_plot(client, &name, Fitted { version, points }).await?;
        }
    }
    standalone.stop().await
}

/// Starts on a damaged folder, and looks whether anything that is said is wrong.
async fn look(folder: &Path, outcome: &mut Outcome) -> anyhow::Result<()> {
    let mut standalone = Standalone::spawned(folder)?;
    let client = standalone.client();
    let starts = eventually("a start or an end", || {
        let ended = standalone.has_ended();
        async move {
            if ended? {
                return Ok(false);
            }
            ensure!(
                client.get("/livez").await?.status == 200,
                "it does not live"
            );
            Ok(true)
        }
    });
    if starts.await? {
        for n in 0..SERIES {
            look_at(client, &format!("s{n}"), outcome).await?;
        }
    }
    let log = standalone.log()?;
    let has_panicked = log.lines().find(|line| line.contains("panicked"));
    ensure!(has_panicked.is_none(), "{has_panicked:?}");
    Ok(())
}

/// Whatever succeeds must be right.
async fn look_at(client: Client, series: &str, outcome: &mut Outcome) -> anyhow::Result<()> {
    let body = r#"{"timestamp":1693460000,"value":1.5}"#;
    let reply = client.post(&format!("/predict/{series}"), body).await?;
    if reply.status == 200 {
        outcome.predictions += 1;
        let judged: PredictReply = reply.json()?;
        ensure!(!judged.verdict.anomaly, "{series}: {judged:?}");
    }
    for (version, points) in [(1, POINTS), (2, POINTS + 1)] {
        let path = format!("/plot?series_id={series}&version=v{version}&format=svg");
        let reply = client.get(&path).await?;
        if reply.status == 200 {
            outcome.fits += 1;
            let title = format!("v{version} · {points} points");
            let picture = reply.text();
            let said = picture
                .find(" points")
                .map(|end| &picture[end.saturating_sub(30)..end]);
            ensure!(picture.contains(&title), "{title} of {series}: {said:?}");
        } else if reply.status < 400 {
            bail!("{path}: {}", reply.status);
        }
        let problem = (reply.status >= 400).then(|| reply.problem()).transpose();
        problem.with_context(|| path.clone())?;
    }
    Ok(())
}
