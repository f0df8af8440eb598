//! Silences, ready to be compared with series.

use regex::Regex;

use crate::{Labels, MatchOp, Matcher, SeriesId, Silence};

/// A silence with its regular expressions compiled.
#[derive(Debug)]
pub struct CompiledSilence {
    /// The silence.
    pub silence: Silence,
    /// The regular expressions of its matchers, in their order.
    expressions: Vec<Option<Regex>>,
}

impl CompiledSilence {
    /// Compiles `silence`.
    ///
    /// # Errors
    /// When an expression of it is not one.
    pub fn new(silence: Silence) -> Result<Self, regex::Error> {
        let expressions = silence.matchers.iter().map(Matcher::expression);
        Ok(Self {
            expressions: expressions.collect::<Result<_, _>>()?,
            silence,
        })
    }

    /// Whether all of its matchers hold for a series with these labels, whatever the time.
    pub fn matches(&self, series: &SeriesId, labels: &Labels) -> bool {
        let mut matchers = self.silence.matchers.iter().zip(&self.expressions);
        matchers.all(|(matcher, expression)| {
            let value = match matcher.is_about_id() {
                true => series.as_str(),
                false => labels.get(&matcher.name).map_or("", String::as_str),
            };
            let is_match = expression.as_ref().is_some_and(|e| e.is_match(value));
            match matcher.op {
                MatchOp::Equal => value == matcher.value,
                MatchOp::NotEqual => value != matcher.value,
                MatchOp::Matches => is_match,
                MatchOp::DoesNotMatch => !is_match,
            }
        })
    }
}
