//! Ids with a common prefix, as a range. A pattern would give `%` and `_` a meaning, and could not
//! use an index.

use contract::SeriesId;

/// The ids that begin with `prefix` and come after `after`: from the first possible one to the
/// first that is past them.
pub(crate) fn range(prefix: &str, after: Option<&SeriesId>) -> (String, String) {
    // Ids contain no control characters, so nothing lies between `after` and this.
    let next = after
        .map(|after| format!("{after}\u{1}"))
        .unwrap_or_default();
    let from = next.max(prefix.to_owned());
    (from, end_of(prefix))
}

/// The first text, in the order of bytes, after all that begin with `prefix`.
fn end_of(prefix: &str) -> String {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // Characters are ordered as their bytes are. The next one skips the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return end;
        }
    }
    // Longer than any id: after all of them.
    char::MAX.to_string().repeat(SeriesId::MAX_BYTES / 4 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_what_begins_with_the_prefix_and_nothing_else() {
        let ids = [
            "!",
            "%",
            "%a",
            "A",
            "_",
            "_a",
            "a",
            "a!",
            "a\u{d7ff}",
            "a\u{e000}",
            "a\u{10ffff}",
            "a\u{10ffff}\u{10ffff}",
            "aa",
            "b",
            "é",
            "🌡",
            "\u{10ffff}",
            &"\u{10ffff}".repeat(50),
        ];
        let prefixes = [
            "",
            "a",
            "%",
            "_",
            "a\u{d7ff}",
            "a\u{10ffff}",
            "\u{10ffff}",
            "é",
            "🌡",
            "z",
        ];
        for prefix in prefixes {
            let (from, to) = range(prefix, None);
            for id in ids {
                let inside = *from <= *id && *id < *to;
                assert_eq!(inside, id.starts_with(prefix), "{id:?} in {prefix:?}");
            }
        }
    }

    #[test]
    fn a_range_goes_on_right_after_an_id() {
        let after = |prefix: &str, id: &str| range(prefix, Some(&SeriesId::new(id).unwrap())).0;
        assert!(*after("", "a") > *"a" && *after("", "a") < *"a ");
        assert_eq!(after("b", "a"), "b");
        assert!(after("a", "b") > range("a", None).1, "nothing is left");
    }
}
