//! Numbers, spans and moments as people read them.

mod short;
mod time;

pub(crate) use short::Short;
pub(crate) use time::{Span, When};
