//! The anomaly command: a client of the HTTP API.
