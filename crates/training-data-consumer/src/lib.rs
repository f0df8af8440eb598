//! Stores the points that models were fitted on.
