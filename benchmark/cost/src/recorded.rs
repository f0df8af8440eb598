//! The counts that were recorded: a line each, `NAME COUNT`; `#` begins a comment.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// The recorded counts of the cases.
#[derive(Debug, PartialEq)]
pub(crate) struct Recorded(Vec<(String, u64)>);

const HEAD: &str = "\
# Instructions a point, built as images are, by callgrind (x86-64). `cargo run --profile dist -p cost -- check` holds to them,
# `… -- record` writes them. A number that rises is a choice: say why in the commit.
";

/// The largest count, as a multiple of the recorded one: libraries of the system differ a little.
const TOLERANCE: f64 = 1.03;

impl Recorded {
    pub(crate) fn of(counts: Vec<(&str, u64)>) -> Self {
        let named = counts
            .into_iter()
            .map(|(name, count)| (name.to_owned(), count));
        Self(named.collect())
    }

    pub(crate) fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let text = fs::read_to_string(file).with_context(|| shown.to_string())?;
        Self::parse(&text).with_context(|| shown.to_string())
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        fs::write(file, self.to_text()).with_context(|| file.display().to_string())
    }

    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, count)| *count)
    }

    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let count = |line: &str| {
            let (name, count) = line.split_once(char::is_whitespace)?;
            Some((name.to_owned(), count.trim().parse().ok()?))
        };
        let counts = lines.map(|line| count(line).with_context(|| format!("what is {line:?}?")));
        Ok(Self(counts.collect::<Result<_>>()?))
    }

    fn to_text(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|(name, count)| format!("{name} {count}\n"));
        HEAD.to_owned() + &lines.collect::<String>()
    }
}

/// The fault of a case that takes `now` and took `before`, if there is one.
pub(crate) fn fault(name: &str, before: Option<u64>, now: u64) -> Option<String> {
    let Some(before) = before else {
        return Some(format!("{name} is not recorded"));
    };
    let factor = now as f64 / before as f64;
    (factor > TOLERANCE).then(|| {
        let more = (factor - 1.0) * 100.0;
        format!("{name} takes {more:.1} % more than recorded")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let recorded = Recorded::of(vec![("sigma/score", 120), ("auto/fit", 50_000)]);
        assert_eq!(Recorded::parse(&recorded.to_text()).unwrap(), recorded);
        assert_eq!(recorded.get("auto/fit"), Some(50_000));
        assert!(Recorded::parse("sigma/score many").is_err());
    }

    #[test]
    fn more_is_a_fault_and_less_is_not() {
        assert_eq!(fault("a", Some(1_000), 1_030), None);
        assert_eq!(fault("a", Some(1_000), 10), None);
        let fault_of = |before, now| fault("a", before, now).unwrap();
        assert_eq!(
            fault_of(Some(1_000), 1_031),
            "a takes 3.1 % more than recorded"
        );
        assert_eq!(fault_of(None, 1), "a is not recorded");
    }
}
