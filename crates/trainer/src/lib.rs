//! Fits models, numbers versions, draws plots.
