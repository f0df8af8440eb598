//! Sessions as data: any self-describing format of serde takes them, and arrays are short in binary
//! ones. Before, they were text like models:
//! `{"format":3,"detector":"sigma","ask":{…},"state":{…},"log":{…},"changes":{…},"checksum":"…"}`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Changes, EpisodeLog, Session};
use crate::{
    BadModel,
    detectors::OnlineState,
    model::format::{Head, checksum, verify},
    verdict::ScoringRule,
};

/// The number of the format of the text.
const FORMAT: u32 = 3;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredText<'a> {
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

/// A session that was read and may be damaged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unchecked {
    state: OnlineState,
    rule: ScoringRule,
    log: EpisodeLog,
    changes: Changes,
}

impl TryFrom<Unchecked> for Session {
    type Error = BadModel;

    fn try_from(read: Unchecked) -> Result<Self, BadModel> {
        let is_sound = read.state.is_sound()
            && read.rule.is_sound()
            && read.log.is_sound()
            && read.changes.is_sound();
        match is_sound {
            true => Ok(Self {
                state: read.state,
                rule: read.rule,
                log: read.log,
                changes: read.changes,
            }),
            false => Err(BadModel::OutOfRange),
        }
    }
}

impl Session {
    /// Reads the text that sessions were before they were binary data. The session goes on with the
    /// same verdicts, to the last bit.
    ///
    /// # Errors
    /// [`BadModel`] for any other text.
    pub fn from_json(json: &str) -> Result<Self, BadModel> {
        let Head { format } = serde_json::from_str(json)?;
        if format != FORMAT {
            return Err(BadModel::UnknownFormat(format));
        }
        let mut stored: StoredText<'_> = serde_json::from_str(json)?;
        verify(stored.checksum.take(), || checksum(&stored))?;
        let Ok(name) = stored.detector.parse() else {
            return Err(BadModel::UnknownDetector(stored.detector));
        };
        Self::try_from(Unchecked {
            state: OnlineState::from_json(name, stored.state)?,
            rule: stored.rule,
            log: stored.log,
            changes: stored.changes,
        })
    }
}
