//! The detector as a whole: against the reference, at the edges, stored and restored.

mod edges;
mod generated;
mod published;
mod stored;
mod support;
