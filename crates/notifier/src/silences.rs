//! Which anomalies nobody is told of for the time being.

use contract::{Anomaly, CompiledSilence, Moment, Silence};

/// All silences, ready to be compared with anomalies.
#[derive(Debug, Default)]
pub(crate) struct Silences {
    silences: Vec<CompiledSilence>,
    source: Vec<Silence>,
}

impl Silences {
    /// Whether these are the silences that it was made of.
    pub(crate) fn is_of(&self, silences: &[Silence]) -> bool {
        self.source == silences
    }

    /// Compiles `silences`. One with an expression that cannot be used silences nothing.
    pub(crate) fn new(silences: Vec<Silence>) -> Self {
        let compiled = silences.iter().filter_map(|silence| {
            match CompiledSilence::new(silence.clone()) {
                Ok(compiled) => Some(compiled),
                Err(error) => {
                    let id = silence.silence_id;
                    tracing::warn!(%id, %error, "a silence cannot be used: it silences nothing");
                    None
                }
            }
        });
        Self {
            silences: compiled.collect(),
            source: silences,
        }
    }

    /// Whether nobody is told of `anomaly` at `now`: one of the silences holds, or held when it was
    /// found.
    pub(crate) fn cover(&self, anomaly: &Anomaly, now: Moment) -> bool {
        self.silences.iter().any(|compiled| {
            let silence = &compiled.silence;
            (silence.is_active(now) || silence.is_active(anomaly.opened_at))
                && compiled.matches(&anomaly.series_id, &anomaly.labels)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anomaly(opened_at: i64) -> Anomaly {
        let json = serde_json::json!({
            "anomaly_id": format!("{:032x}", 1), "series_id": "db1:cpu", "kind": "value",
            "status": "open", "began": 1, "start": 1, "end": 1, "peak": 1, "value": 2.0,
            "expected": 1.0, "lower": null, "upper": 1.5, "direction": "above", "severity": "high",
            "ratio": 2.0, "alarms": 1, "reason": "r", "detector": null,
            "opened_at": Moment(opened_at).to_string(), "closed_at": null, "incident_id": null,
            "silenced": false, "labels": {"host": "db1"},
        });
        serde_json::from_value(json).unwrap()
    }

    fn silences(matchers: &[(&str, &str, &str)]) -> Silences {
        let matchers: Vec<_> = matchers
            .iter()
            .map(|(name, op, value)| serde_json::json!({"name": name, "op": op, "value": value}))
            .collect();
        let json = serde_json::json!({
            "silence_id": format!("{:032x}", 1), "matchers": matchers,
            "starts_at": "1970-01-01T00:00:10Z", "ends_at": "1970-01-01T00:00:20Z",
            "comment": "", "created_by": null,
        });
        Silences::new(vec![serde_json::from_value(json).unwrap()])
    }

    #[test]
    fn all_matchers_must_match_all_of_the_value() {
        for (matchers, covers) in [
            (&[("host", "=", "db1")][..], true),
            (&[("host", "=", "db")], false),
            (&[("host", "!=", "db1")], false),
            (&[("host", "=~", "db.*")], true),
            (&[("host", "=~", "b1")], false),
            (&[("host", "=~", "web|db1")], true),
            (&[("host", "!~", "web|d")], true),
            (&[("zone", "=", "")], true),
            (&[("zone", "=~", ".+")], false),
            (&[("series", "=~", "db1:.*"), ("host", "=", "db1")], true),
            (&[("series", "=~", "db1:.*"), ("host", "=", "db2")], false),
            (&[("host", "=~", "(")], false),
            (&[("host", "!~", "(")], false),
        ] {
            let covered = silences(matchers).cover(&anomaly(0), Moment(15_000));
            assert_eq!(covered, covers, "{matchers:?}");
        }
    }

    #[test]
    fn one_holds_now_or_when_the_anomaly_was_found() {
        let silences = silences(&[("host", "=", "db1")]);
        for (opened_at, now, covers) in [
            (0, 9_999, false),
            (0, 10_000, true),
            (15_000, 30_000, true),
            (0, 20_000, false),
        ] {
            let covered = silences.cover(&anomaly(opened_at), Moment(now));
            assert_eq!(covered, covers, "{opened_at} {now}");
        }
    }
}
