//! Numbers, spans and moments as people read them.

mod short;
mod time;

pub(crate) use short::{DECIMALS, Short};
pub(crate) use time::{Span, When};
