//! Judges points from models in memory.
