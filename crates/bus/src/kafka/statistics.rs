//! The ends of partitions, from the statistics of the client library.

use std::collections::HashMap;

use serde::Deserialize;

/// The figures of a partition that we need; negative where not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Progress {
    /// The offset that the next published message gets.
    pub(super) hi_offset: i64,
    /// The offset that is fetched next.
    pub(super) next_offset: i64,
}

#[derive(Deserialize)]
struct Report {
    topics: HashMap<String, TopicReport>,
}

#[derive(Deserialize)]
struct TopicReport {
    partitions: HashMap<i32, Progress>,
}

/// The partitions of `topic`; empty when the report cannot be read.
pub(super) fn read(report: &[u8], topic: &str) -> HashMap<i32, Progress> {
    match serde_json::from_slice::<Report>(report) {
        Ok(mut report) => report
            .topics
            .remove(topic)
            .map(|topic| topic.partitions)
            .unwrap_or_default(),
        Err(error) => {
            tracing::debug!(%error, "statistics of the client library are not understood");
            HashMap::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_found_by_number() {
        let report = br#"{"name":"x","topics":{"t":{"age":1,"partitions":{
            "-1":{"hi_offset":-1001,"next_offset":-1001,"fetch_state":"none"},
            "3":{"hi_offset":12,"next_offset":7,"fetch_state":"active"}}}}}"#;
        let found = read(report, "t");
        let third = Progress {
            hi_offset: 12,
            next_offset: 7,
        };
        assert_eq!(found.get(&3), Some(&third));
        assert!(read(report, "other").is_empty());
        assert!(read(b"nonsense", "t").is_empty());
    }
}
