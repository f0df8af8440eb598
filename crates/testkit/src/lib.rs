//! For tests: start a platform, call it, make series.
