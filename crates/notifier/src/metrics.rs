//! The Prometheus metrics of the notifier.

use std::sync::LazyLock;

use prometheus::{IntCounterVec, register_int_counter_vec};

use crate::channels::{SLACK, WEBHOOK};

/// The channel of events for programs.
pub(crate) const TOPIC: &str = "topic";
/// The channel of Alertmanagers.
pub(crate) const ALERTMANAGER: &str = "alertmanager";

/// It was sent.
pub(crate) const SENT: &str = "sent";
/// It could not be sent and is tried again.
pub(crate) const RETRIED: &str = "retried";
/// It could not be sent and is given up.
pub(crate) const DEAD: &str = "dead";
/// Nobody wants to know: it is silenced, not severe enough, or the channel is no longer set.
pub(crate) const LEFT_OUT: &str = "left_out";

static NOTIFICATIONS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "anomaly_notifier_notifications_total",
        "Notifications by channel and what became of them.",
        &["channel", "result"]
    )
    .expect("the name is valid and used once")
});

/// Counts a notification.
pub(crate) fn count(channel: &str, result: &str) {
    NOTIFICATIONS.with_label_values(&[channel, result]).inc();
}

/// Makes the metrics known before anything happens.
pub(crate) fn register() {
    for channel in [WEBHOOK, SLACK, TOPIC, ALERTMANAGER] {
        for result in [SENT, RETRIED, DEAD, LEFT_OUT] {
            NOTIFICATIONS.with_label_values(&[channel, result]);
        }
    }
}
