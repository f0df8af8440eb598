//! Sessions as data, like models: `{"format":1,"detector":"sigma","ask":{…},"state":{…},"log":{…},"changes":{…},"checksum":"…"}`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Changes, Log, Session};
use crate::{
    BadModel,
    detectors::Learner,
    model::format::{Head, checksum, to_json, verify},
    verdict::Ask,
};

/// The format number that is written.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<'a> {
    format: u32,
    detector: String,
    ask: Ask,
    #[serde(borrow)]
    state: &'a RawValue,
    log: Log,
    changes: Changes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

impl Session {
    /// The session as JSON.
    pub fn to_json(&self) -> String {
        let state = self.learner.to_json();
        let mut stored = Stored {
            format: FORMAT,
            detector: self.detector().as_str().to_owned(),
            ask: self.ask,
            state: &state,
            log: self.log.clone(),
            changes: self.changes.clone(),
            checksum: None,
        };
        stored.checksum = Some(checksum(&stored));
        to_json(&stored)
    }

    /// Reads what [`Self::to_json`] wrote. What it then makes of points is the same to the last bit.
    ///
    /// # Errors
    /// [`BadModel`] for anything else.
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
        let learner = Learner::from_json(name, stored.state)?;
        if !(stored.ask.is_sound() && stored.log.is_sound() && stored.changes.is_sound()) {
            return Err(BadModel::OutOfRange);
        }
        Ok(Self {
            learner,
            ask: stored.ask,
            log: stored.log,
            changes: stored.changes,
        })
    }
}
