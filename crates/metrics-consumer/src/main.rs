//! Starts it.

fn main() {}
