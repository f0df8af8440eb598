//! Messages as the databases of consumers see them: what was delivered from where, and how far a group is.
//!
//! The database that holds the effects of a topic's messages also holds the offsets, in the same transactions. So it
//! decides what is new and says where reading goes on.

/// How far a consumer group is in one partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicOffset {
    /// The partition's number.
    pub partition: i32,
    /// The first offset of the partition that has not been applied.
    pub next_offset: i64,
}

/// The log that holds the messages of a topic. Another log has other messages at the same offsets,
/// so offsets are kept by log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicLog {
    /// The name of the topic.
    pub topic: String,
    /// The id of the log. `None`: it is not known.
    pub id: Option<String>,
    /// The log ends before the offsets that were kept of it: a part of it is gone, and they mean
    /// nothing any more.
    pub is_cut: bool,
}

impl TopicLog {
    /// The name by which offsets in this log are kept.
    pub fn key(&self) -> String {
        match &self.id {
            Some(id) => format!("{}@{id}", self.topic),
            None => self.topic.clone(),
        }
    }
}

/// A message of a topic of `E`, for the database that applies it.
#[derive(Debug)]
pub struct Delivery<'a, E> {
    /// The number of the partition that it came from.
    pub partition: i32,
    /// Its offset in that partition.
    pub offset: i64,
    /// When it was published, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The event to apply. `None` for a dead letter: then only the offset moves.
    pub event: Option<&'a E>,
}

impl<E> Copy for Delivery<'_, E> {}

impl<E> Clone for Delivery<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}
