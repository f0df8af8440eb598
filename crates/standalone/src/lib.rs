//! The five services in one process over the embedded backends.
