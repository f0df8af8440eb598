//! Shows progress on standard error: a bar on a terminal, else a plain line.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const FRAME: Duration = Duration::from_millis(100);

/// A progress bar. Dropping it removes it from the terminal.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Shows nothing.
    pub(crate) fn none() -> Self {
        Self(ProgressBar::hidden())
    }

    /// Shows that `doing` takes a while.
    pub(crate) fn spinner(doing: String) -> Self {
        Self::start(
            ProgressBar::new_spinner(),
            doing,
            "{spinner} {msg} ({elapsed})",
        )
    }

    /// Shows how many of `total` steps of `doing` are done.
    pub(crate) fn steps(total: usize, doing: String) -> Self {
        let template = "{msg} {wide_bar} {human_pos}/{human_len}, {eta} left";
        Self::start(ProgressBar::new(total as u64), doing, template)
    }

    fn start(bar: ProgressBar, doing: String, template: &str) -> Self {
        if bar.is_hidden() {
            eprintln!("{doing}");
            return Self(bar);
        }
        let style = ProgressStyle::with_template(template).expect("the template is a constant");
        bar.set_style(style);
        bar.set_message(doing);
        bar.enable_steady_tick(FRAME);
        Self(bar)
    }

    /// Counts one step.
    pub(crate) fn step(&self) {
        self.0.inc(1);
    }

    /// Runs `print`, which may write to the terminal, with the bar out of the way.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.0.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
