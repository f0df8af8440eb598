//! Counts what services measured into the running figures.
