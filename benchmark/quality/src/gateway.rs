//! A platform that series are sent to.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use contract::{DetectReply, DetectRequest, FitOptions, JudgedReply, Train};
use ureq::Agent;

use crate::data::Series;

const TIMEOUT: Duration = Duration::from_secs(120);
const MAX_REPLY_BYTES: u64 = 1 << 30;

/// The public door of a platform.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    agent: Agent,
    url: String,
}

impl Gateway {
    /// The one at `url`, `http://host:port`.
    pub(crate) fn new(url: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(TIMEOUT))
            .build();
        Self {
            agent: config.new_agent(),
            url: url.trim_end_matches('/').to_owned(),
        }
    }

    /// The verdict on every point after the training.
    ///
    /// # Errors
    /// No answer, a refusal, or an answer that is not about these points.
    pub(crate) fn detect(&self, series: &Series, options: &FitOptions) -> Result<Vec<JudgedReply>> {
        let request = DetectRequest {
            points: series.points.clone(),
            train: Train::Points(series.train),
            fit: options.clone(),
            min_deviation: None,
            form: None,
        };
        let url = format!("{}/v1/detect", self.url);
        let body = serde_json::to_vec(&request)?;
        let request = self.agent.post(&url).content_type("application/json");
        let mut reply = request.send(&body).with_context(|| url.clone())?;
        let body = reply
            .body_mut()
            .with_config()
            .limit(MAX_REPLY_BYTES)
            .read_to_vec()?;
        if !reply.status().is_success() {
            bail!(
                "{url}: {}: {}",
                reply.status(),
                String::from_utf8_lossy(&body)
            );
        }
        let reply: DetectReply = serde_json::from_slice(&body).with_context(|| url.clone())?;
        Ok(reply.verdicts)
    }
}

/// Demands that a platform said of each point what was said in this process, to the last digit.
///
/// # Errors
/// The first difference.
pub(crate) fn demand_same(here: &[JudgedReply], there: &[JudgedReply]) -> Result<()> {
    for (i, (ours, theirs)) in here.iter().zip(there).enumerate() {
        ensure!(
            ours == theirs,
            "verdict {i} differs: {ours:?} here, {theirs:?} there"
        );
    }
    let (ours, theirs) = (here.len(), there.len());
    ensure!(ours == theirs, "{ours} verdicts here, {theirs} there");
    Ok(())
}
