//! Sizes that several rooms of this crate keep to.

/// Messages are handed out in batches of about this many bytes at most, whatever their number.
pub(crate) const BATCH_BYTES: usize = 4 << 20;
