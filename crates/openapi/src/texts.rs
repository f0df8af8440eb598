//! Comments of the source as texts of the document.

use contract as c;

/// The constants that texts and schemas name, by their names in the source.
fn constants() -> [(&'static str, String); 17] {
    [
        ("DEFAULT_TRAIN", c::DEFAULT_TRAIN.to_string()),
        ("DEFAULT_WARMUP", c::DEFAULT_WARMUP.to_string()),
        ("MAX_BATCH", c::MAX_BATCH.to_string()),
        ("MAX_CONTEXT", c::MAX_CONTEXT.to_string()),
        ("MAX_FOLLOWED", c::MAX_FOLLOWED.to_string()),
        ("MAX_HISTOGRAM_STEPS", c::MAX_HISTOGRAM_STEPS.to_string()),
        ("MAX_INTERVALS", c::MAX_INTERVALS.to_string()),
        ("MAX_LABELS", c::MAX_LABELS.to_string()),
        ("MAX_LABEL_BYTES", c::MAX_LABEL_BYTES.to_string()),
        ("MAX_MATCHERS", c::MAX_MATCHERS.to_string()),
        ("MAX_OBSERVED", c::MAX_OBSERVED.to_string()),
        ("MAX_SHOWN_ANOMALIES", c::MAX_SHOWN_ANOMALIES.to_string()),
        ("MAX_SHOWN_POINTS", c::MAX_SHOWN_POINTS.to_string()),
        ("MAX_SILENCE_TEXT", c::MAX_SILENCE_TEXT.to_string()),
        ("MAX_TITLE_BYTES", c::MAX_TITLE_BYTES.to_string()),
        ("MAX_TRAIN_SHARE", c::MAX_TRAIN_SHARE.to_string()),
        ("SPARK_STEPS", c::SPARK_STEPS.to_string()),
    ]
}

/// `text` with the values of constants that it names in braces: `{MAX_BATCH}`.
pub(crate) fn with_constants(text: &str) -> String {
    constants()
        .iter()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), value)
        })
}

/// What `None` is called in requests.
pub(crate) const ABSENT: &str = "absent";
/// What it is called in replies.
pub(crate) const NULL: &str = "`null`";

/// A comment as prose: its lines joined, links to items replaced by their names or values, and
/// `None` called what it is in JSON: [`ABSENT`] or [`NULL`].
pub(crate) fn prose(comment: &str, none: &str) -> String {
    let paragraphs = comment.split("\n\n").map(|text| text.replace('\n', " "));
    let mut rest = paragraphs.collect::<Vec<_>>().join("\n\n");
    if none == ABSENT {
        rest = rest.replace(". `None`", ". Absent");
    }
    rest = rest.replace("`None`", none);
    let mut text = String::new();
    while let Some((before, link)) = rest.split_once("[`") {
        let (name, after) = link.split_once("`]").unwrap_or((link, ""));
        let after = match after
            .strip_prefix('(')
            .and_then(|path| path.split_once(')'))
        {
            Some((_, after)) => after,
            None => after,
        };
        let value = constants().into_iter().find(|(known, _)| *known == name);
        let word = value.map_or_else(|| format!("`{name}`"), |(_, value)| value);
        text.push_str(before);
        text.push_str(&word);
        rest = after.to_owned();
    }
    text + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_become_values_and_names() {
        let comment = "At most\n[`MAX_CONTEXT`](crate::MAX_CONTEXT); `None`: see\n[`Point`]. `None`: not.\n\nMore.";
        let text = "At most 2048; absent: see `Point`. Absent: not.\n\nMore.";
        assert_eq!(prose(comment, ABSENT), text);
        assert_eq!(with_constants("1 to {MAX_BATCH}"), "1 to 100000");
    }
}
