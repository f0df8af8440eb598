//! The series of Prometheus as series here: an id made of all labels, and the labels that are kept.

use contract::{Labels, MAX_LABEL_BYTES, MAX_LABELS, SeriesId, StreamOptions, Transform};
use sha2::{Digest, Sha256};

/// The label with the name of the metric.
const NAME: &str = "__name__";

/// The ends of the names of counters.
const COUNTERS: [&str; 4] = ["_total", "_count", "_sum", "_bucket"];

/// The longest name of a metric in an id, in bytes: a colon and 16 digits follow it.
const MAX_NAME_BYTES: usize = SeriesId::MAX_BYTES - 17;

/// The labels of a series, sorted by name.
pub(super) struct Described<'a> {
    labels: Vec<(&'a str, &'a str)>,
    /// Of the labels: equal for equal ones, today and tomorrow, and for no others.
    pub(super) hash: u64,
}

impl<'a> Described<'a> {
    pub(super) fn of(mut labels: Vec<(&'a str, &'a str)>) -> Self {
        labels.sort_unstable();
        let mut digest = Sha256::new();
        for (name, value) in &labels {
            // No text has this byte.
            for text in [name, value] {
                digest.update(text);
                digest.update([0xff]);
            }
        }
        let digest = digest.finalize();
        let hash = digest
            .first_chunk()
            .map_or(0, |first| u64::from_be_bytes(*first));
        Self { labels, hash }
    }

    fn name(&self) -> &'a str {
        let name = self.labels.iter().find(|(name, _)| *name == NAME);
        name.map_or("", |(_, value)| value)
    }

    /// The id: the name of the metric, a colon and the hash. What no id may have becomes `_`.
    pub(super) fn id(&self) -> SeriesId {
        let name = self.name();
        let end = name.floor_char_boundary(MAX_NAME_BYTES);
        let is_plain = |c: char| c != '/' && !c.is_control();
        let name = name[..end]
            .chars()
            .map(|c| if is_plain(c) { c } else { '_' });
        let id = format!("{}:{:016x}", name.collect::<String>(), self.hash);
        SeriesId::new(&id)
            .expect("it has 17 to 200 bytes, and neither slash nor control characters")
    }

    /// The options of its stream: labels as they may be, as many as may be, and rates of counters.
    pub(super) fn defaults(&self) -> StreamOptions {
        let (mut labels, mut bytes) = (Labels::new(), 0);
        for (name, value) in &self.labels {
            let (name, value) = (label_name(name), value.replace('\0', ""));
            bytes += name.len() + value.len();
            if labels.len() == MAX_LABELS || bytes > MAX_LABEL_BYTES {
                break;
            }
            labels.insert(name, value);
        }
        let is_counter = COUNTERS.iter().any(|end| self.name().ends_with(end));
        StreamOptions {
            labels,
            transform: is_counter.then_some(Transform::Rate),
            ..StreamOptions::default()
        }
    }
}

/// `name` with letters, digits and `_` only, and no digit first.
fn label_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let plain: String = name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    match plain.starts_with(|c: char| c.is_ascii_digit()) || plain.is_empty() {
        true => format!("_{plain}"),
        false => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_follows_from_all_labels_in_any_order() {
        let id = |labels: &[(&'static str, &'static str)]| {
            Described::of(labels.to_vec()).id().to_string()
        };
        let up = id(&[("__name__", "up"), ("job", "a")]);
        // Ids are for ever: this one must not change.
        assert_eq!(up, "up:1d13fed924f76943");
        assert_eq!(id(&[("job", "a"), ("__name__", "up")]), up);
        for other in [
            &[("__name__", "up"), ("job", "b")][..],
            &[("__name__", "up"), ("joba", "")],
            &[("__name__", "up")],
        ] {
            let other = id(other);
            assert!(other.starts_with("up:") && other != up, "{other}");
        }
        assert!(id(&[("__name__", "a/b\n.c")]).starts_with("a_b_.c:"));
        assert!(id(&[]).starts_with(':'));
        let long = "é".repeat(200);
        let long = Described::of(vec![("__name__", &long)]).id();
        assert_eq!(long.as_str().len(), 199);
    }

    #[test]
    fn labels_are_kept_as_far_as_they_may_be() {
        let many: Vec<_> = (0..40).map(|n| format!("l{n:02}")).collect();
        let labels = many.iter().map(|name| (name.as_str(), "x")).collect();
        assert_eq!(Described::of(labels).defaults().labels.len(), MAX_LABELS);
        let long = "x".repeat(MAX_LABEL_BYTES - 10);
        let kept = Described::of(vec![("a", "1"), ("b", &long), ("c", &long)]).defaults();
        assert_eq!(kept.labels.len(), 2);
        let odd = Described::of(vec![("1.é", "a\0b"), ("", "c")]).defaults();
        let expected = [("_", "c"), ("_1__", "ab")];
        assert_eq!(
            odd.labels,
            expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        );
        assert!(odd.check().is_ok());
    }

    #[test]
    fn counters_become_rates() {
        let transform = |name| Described::of(vec![("__name__", name)]).defaults().transform;
        for name in ["a_total", "a_count", "a_sum", "a_bucket"] {
            assert_eq!(transform(name), Some(Transform::Rate), "{name}");
        }
        for name in ["a", "total", "a_total_bytes"] {
            assert_eq!(transform(name), None, "{name}");
        }
    }
}
