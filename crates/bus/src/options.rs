//! How a member takes part in its group.

use crate::limits::BATCH_BYTES;

/// How a member takes part in its group, and how much it reads ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// The name of this process among those of the group. A process that is back under its name
    /// before its session is over has its partitions at once, and none moves. Of two with one name
    /// the older is shut out ([`BusError::Fenced`]). SQLite needs none.
    ///
    /// [`BusError::Fenced`]: crate::BusError::Fenced
    pub instance: Option<String>,
    /// Bytes of messages that are read ahead, about: 4 MB unless set. SQLite reads none ahead.
    pub read_ahead_bytes: usize,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            instance: None,
            read_ahead_bytes: BATCH_BYTES,
        }
    }
}
