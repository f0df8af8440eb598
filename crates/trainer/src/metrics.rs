//! The Prometheus metrics of the trainer.

use std::sync::LazyLock;

use contract::DURATION_BOUNDS;
use prometheus::{
    Histogram, IntCounter, IntCounterVec, IntGauge, register_histogram, register_int_counter,
    register_int_counter_vec, register_int_gauge,
};

pub(crate) static FITS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    outcomes(
        "anomaly_trainer_fits_total",
        "Fits by outcome: fitted, refused, overloaded, no_room, not_durable.",
    )
});
pub(crate) static FIT_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    duration(
        "anomaly_trainer_fit_duration_seconds",
        "From the whole body to the reply, for fits that succeeded.",
    )
});
pub(crate) static POINTS_FITTED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_trainer_points_fitted_total",
        "Points that models were fitted on.",
    )
});
pub(crate) static PLOTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    outcomes(
        "anomaly_trainer_plots_total",
        "Plots by outcome: drawn, missing, pending, overloaded, failed.",
    )
});
pub(crate) static PLOT_DURATION: LazyLock<Histogram> = LazyLock::new(|| {
    duration(
        "anomaly_trainer_plot_duration_seconds",
        "Reading the points and drawing them, for plots that were drawn.",
    )
});
pub(crate) static VERSIONS_SWEPT: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_trainer_versions_swept_total",
        "Versions removed that never became ready.",
    )
});
pub(crate) static EVENTS_DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    counter(
        "anomaly_trainer_events_dropped_total",
        "Metrics events that could not be sent and were dropped.",
    )
});

pub(crate) static STORE_BYTES: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "anomaly_store_bytes",
        "Bytes that models and training points take in the database.",
    )
});
pub(crate) static STORE_FREE_BYTES: LazyLock<IntGauge> = LazyLock::new(|| {
    gauge(
        "anomaly_store_free_bytes",
        "Free bytes on the disk of the data folder; -1 if the database is elsewhere.",
    )
});

pub(crate) static STORE_SERIES: LazyLock<IntGauge> =
    LazyLock::new(|| gauge("anomaly_store_series", "Series that have a model."));

static REGISTRY_CHANGES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "anomaly_trainer_registry_changes_total",
        "Changes of series by kind: alias_set, alias_removed, rolled_back, model_deleted, series_deleted, imported, \
         version_pruned.",
        &["change"]
    )
    .expect("the name is valid and used once")
});

/// A change of a series other than a fit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    AliasSet,
    AliasRemoved,
    RolledBack,
    ModelDeleted,
    SeriesDeleted,
    Imported,
    VersionPruned,
}

impl Change {
    const ALL: [Self; 7] = [
        Self::AliasSet,
        Self::AliasRemoved,
        Self::RolledBack,
        Self::ModelDeleted,
        Self::SeriesDeleted,
        Self::Imported,
        Self::VersionPruned,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::AliasSet => "alias_set",
            Self::AliasRemoved => "alias_removed",
            Self::RolledBack => "rolled_back",
            Self::ModelDeleted => "model_deleted",
            Self::SeriesDeleted => "series_deleted",
            Self::Imported => "imported",
            Self::VersionPruned => "version_pruned",
        }
    }
}

/// Counts `times` changes.
pub(crate) fn count(change: Change, times: usize) {
    let counter = REGISTRY_CHANGES.with_label_values(&[change.as_str()]);
    counter.inc_by(times as u64);
}

fn counter(name: &str, help: &str) -> IntCounter {
    register_int_counter!(name, help).expect("the name is valid and used once")
}

fn gauge(name: &str, help: &str) -> IntGauge {
    register_int_gauge!(name, help).expect("the name is valid and used once")
}

fn outcomes(name: &str, help: &str) -> IntCounterVec {
    register_int_counter_vec!(name, help, &["outcome"]).expect("the name is valid and used once")
}

fn duration(name: &str, help: &str) -> Histogram {
    register_histogram!(name, help, DURATION_BOUNDS.to_vec())
        .expect("the name is valid and used once")
}

/// Registers every metric, so that it is visible before it first changes.
pub(crate) fn register() {
    for outcome in ["fitted", "refused", "overloaded", "no_room", "not_durable"] {
        FITS.with_label_values(&[outcome]);
    }
    for outcome in ["drawn", "missing", "pending", "overloaded", "failed"] {
        PLOTS.with_label_values(&[outcome]);
    }
    for change in Change::ALL {
        count(change, 0);
    }
    for counter in [&POINTS_FITTED, &VERSIONS_SWEPT, &EVENTS_DROPPED] {
        LazyLock::force(counter);
    }
    STORE_FREE_BYTES.set(-1);
    for gauge in [&STORE_BYTES, &STORE_SERIES] {
        LazyLock::force(gauge);
    }
    for histogram in [&FIT_DURATION, &PLOT_DURATION] {
        LazyLock::force(histogram);
    }
}
