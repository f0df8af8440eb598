//! Sessions as data, like models:
//! `{"format":3,"detector":"sigma","ask":{…},"state":{…},"log":{…},"changes":{…},"checksum":"…"}`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Changes, EpisodeLog, Session};
use crate::{
    BadModel,
    detectors::OnlineState,
    model::format::{Head, checksum, to_json, verify},
    verdict::ScoringRule,
};

/// The format number that is written.
const FORMAT: u32 = 3;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    format: u32,
    detector: String,
    #[serde(rename = "ask")]
    rule: ScoringRule,
    #[serde(borrow)]
    state: &'a RawValue,
    log: EpisodeLog,
    changes: Changes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

impl Session {
    /// The session as JSON.
    pub fn to_json(&self) -> String {
        let state = self.state.to_json();
        let mut stored = Stored {
            format: FORMAT,
            detector: self.detector().as_str().to_owned(),
            rule: self.rule,
            state: &state,
            log: self.log.clone(),
            changes: self.changes.clone(),
            checksum: None,
        };
        stored.checksum = Some(checksum(&stored));
        to_json(&stored)
    }

    /// Reads the text that [`Self::to_json`] wrote. The session goes on with the same verdicts, to
    /// the last bit.
    ///
    /// # Errors
    /// [`BadModel`] for any other text.
    pub fn from_json(json: &str) -> Result<Self, BadModel> {
        let Head { format } = serde_json::from_str(json)?;
        if format != FORMAT {
            return Err(BadModel::UnknownFormat(format));
        }
        let mut stored: Stored<'_> = serde_json::from_str(json)?;
        verify(stored.checksum.take(), || checksum(&stored))?;
        let Ok(name) = stored.detector.parse() else {
            return Err(BadModel::UnknownDetector(stored.detector));
        };
        let state = OnlineState::from_json(name, stored.state)?;
        if !(stored.rule.is_sound() && stored.log.is_sound() && stored.changes.is_sound()) {
            return Err(BadModel::OutOfRange);
        }
        Ok(Self {
            state,
            rule: stored.rule,
            log: stored.log,
            changes: stored.changes,
        })
    }
}
