//! Sizes that several modules of this crate keep to.

/// Messages are handed out in batches of about this many bytes at most, whatever their number.
pub(crate) const BATCH_BYTES: usize = 4 << 20;

/// The largest message, in bytes, as Kafka's settings take it. A dead letter may be as large as the
/// largest message that a broker takes by default, and has headers on top.
#[cfg(feature = "kafka")]
pub(crate) const MAX_MESSAGE_BYTES: &str = "1200000";
