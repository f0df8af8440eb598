//! Verdicts that were given, to be given again.

use contract::{AnomalyId, Learning, Point};
use detector::{Judged, ShortJudged};
use serde::{Deserialize, Serialize};

/// A verdict that was given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Given {
    /// The point as it was sent.
    pub(crate) sent: Point,
    /// The value that was judged.
    pub(crate) value: f64,
    /// The verdict; `None` for a point without one.
    pub(crate) judged: Option<Judged>,
    /// The open anomaly that it belongs to.
    pub(crate) anomaly_id: Option<AnomalyId>,
    /// How far the stream had warmed up.
    pub(crate) learning: Option<Learning>,
}

/// A verdict that was given, as it is kept: most take a third of the memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredGiven", from = "StoredGiven")]
pub(crate) enum Remembered {
    /// Of an ordinary point.
    Short { sent: Point, judged: ShortJudged },
    /// Of any other.
    Full(Box<Given>),
}

impl Remembered {
    /// The point as it was sent.
    pub(crate) fn sent(&self) -> Point {
        match self {
            Self::Short { sent, .. } => *sent,
            Self::Full(given) => given.sent,
        }
    }

    /// The verdict and all about it.
    pub(crate) fn given(&self) -> Given {
        match self {
            Self::Short { sent, judged } => Given {
                sent: *sent,
                value: sent.value,
                judged: Some(judged.judged(*sent)),
                anomaly_id: None,
                learning: None,
            },
            Self::Full(given) => (**given).clone(),
        }
    }

    /// Whether a stream could have given it.
    pub(crate) fn is_sound(&self) -> bool {
        let value = match self {
            Self::Short { sent, .. } => sent.value,
            Self::Full(given) => given.value,
        };
        value.is_finite() && self.sent().value.is_finite()
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Full(_) => size_of::<Given>(),
        }
    }
}

impl From<Given> for Remembered {
    fn from(given: Given) -> Self {
        let is_plain = given.value.to_bits() == given.sent.value.to_bits()
            && given.anomaly_id.is_none()
            && given.learning.is_none();
        let judged = given.judged.filter(|_| is_plain);
        match judged.and_then(|judged| judged.short(given.sent)) {
            Some(judged) => Self::Short {
                sent: given.sent,
                judged,
            },
            None => Self::Full(Box::new(given)),
        }
    }
}

/// The stored form. Format 1 has no short ones.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredGiven {
    sent: Point,
    /// Absent if it is that of the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    short: Option<ShortJudged>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    judged: Option<Judged>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anomaly_id: Option<AnomalyId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learning: Option<Learning>,
}

impl From<Remembered> for StoredGiven {
    fn from(known: Remembered) -> Self {
        let (short, given) = match known {
            Remembered::Short { judged, .. } => (Some(judged), known.given()),
            Remembered::Full(given) => (None, *given),
        };
        let is_that = given.value.to_bits() == given.sent.value.to_bits();
        Self {
            sent: given.sent,
            value: (!is_that).then_some(given.value),
            judged: given.judged.filter(|_| short.is_none()),
            short,
            anomaly_id: given.anomaly_id,
            learning: given.learning,
        }
    }
}

impl From<StoredGiven> for Remembered {
    fn from(stored: StoredGiven) -> Self {
        let sent = stored.sent;
        match stored.short {
            Some(judged) => Self::Short { sent, judged },
            None => Self::from(Given {
                sent,
                value: stored.value.unwrap_or(sent.value),
                judged: stored.judged,
                anomaly_id: stored.anomaly_id,
                learning: stored.learning,
            }),
        }
    }
}
