//! What the statistics of the client library tell: the ends of partitions, and whether a broker is
//! known at all.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU32, Ordering},
};

use serde::Deserialize;

/// How often the client library reports, in milliseconds.
pub(super) const EVERY_MS: &str = "5000";

/// The figures of a partition that we need; negative where not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Progress {
    /// The offset that the next published message gets.
    pub(super) hi_offset: i64,
    /// The offset that is fetched next.
    pub(super) next_offset: i64,
}

#[derive(Default, Deserialize)]
pub(super) struct Report {
    brokers: HashMap<String, BrokerReport>,
    topics: HashMap<String, TopicReport>,
}

#[derive(Deserialize)]
struct BrokerReport {
    /// `configured`, `learned`, or a name for another broker: `logical`, `internal`.
    source: String,
}

#[derive(Deserialize)]
struct TopicReport {
    partitions: HashMap<i32, Progress>,
}

impl Report {
    /// `None` when the report cannot be read.
    pub(super) fn read(report: &[u8]) -> Option<Self> {
        serde_json::from_slice(report)
            .inspect_err(|error| {
                tracing::debug!(%error, "statistics of the client library are not understood");
            })
            .ok()
    }

    /// The partitions of `topic`.
    pub(super) fn partitions(mut self, topic: &str) -> HashMap<i32, Progress> {
        self.topics
            .remove(topic)
            .map(|topic| topic.partitions)
            .unwrap_or_default()
    }

    fn knows_a_broker(&self) -> bool {
        let mut sources = self.brokers.values().map(|broker| &*broker.source);
        sources.any(|source| matches!(source, "configured" | "learned"))
    }
}

/// Whether a client still knows a broker.
///
/// A Kafka that has just started may list topics and no broker. The client library then forgets all
/// brokers, and now and then it does not go back to the bootstrap servers: librdkafka issue 5301.
/// Such a client never works again.
#[derive(Default)]
pub(super) struct KnownBrokers {
    /// The last reports in a row that name no broker.
    without: AtomicU32,
}

impl KnownBrokers {
    pub(super) fn note(&self, report: &Report) {
        if report.knows_a_broker() {
            self.without.store(0, Ordering::Relaxed);
        } else {
            self.without.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether none was known in two reports in a row. One alone is no sign: a client that starts
    /// over from the bootstrap servers knows none for a moment, too.
    pub(super) fn are_lost(&self) -> bool {
        self.without.load(Ordering::Relaxed) >= 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_found_by_number() {
        let read = || {
            Report::read(
                br#"{"name":"x","brokers":{},"topics":{"t":{"age":1,"partitions":{
                "-1":{"hi_offset":-1001,"next_offset":-1001,"fetch_state":"none"},
                "3":{"hi_offset":12,"next_offset":7,"fetch_state":"active"}}}}}"#,
            )
            .unwrap()
        };
        let third = Progress {
            hi_offset: 12,
            next_offset: 7,
        };
        assert_eq!(read().partitions("t").get(&3), Some(&third));
        assert!(read().partitions("other").is_empty());
        assert!(Report::read(b"nonsense").is_none());
    }

    #[test]
    fn brokers_are_lost_when_two_reports_in_a_row_name_only_a_coordinator() {
        let report = |source: &str| {
            let text = format!(
                r#"{{"topics":{{}},"brokers":{{"b":{{"source":"{source}","nodeid":-1}}}}}}"#
            );
            Report::read(text.as_bytes()).unwrap()
        };
        let brokers = KnownBrokers::default();
        for (source, lost) in [
            ("logical", false),
            ("learned", false),
            ("logical", false),
            ("logical", true),
            ("configured", false),
        ] {
            brokers.note(&report(source));
            assert_eq!(brokers.are_lost(), lost, "{source}");
        }
    }
}
