//! A wall clock that can be set, for a process that is started with it: libfaketime.

use std::path::{Path, PathBuf};

use anyhow::ensure;

/// Debian's package `faketime` has it.
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// The clock of a process.
pub(crate) struct Clock {
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, kept in `folder`.
    ///
    /// # Errors
    /// When libfaketime is not installed.
    pub(crate) fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        ensure!(
            Path::new(LIBRARY).is_file(),
            "{LIBRARY} is not there: install faketime"
        );
        let clock = Self {
            file: folder.join("clock"),
        };
        clock.set("+0")?;
        Ok(clock)
    }

    /// Steps to `offset` from the right time, in the words of libfaketime: `+1d`, `-10y`.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub(crate) fn set(&self, offset: &str) -> anyhow::Result<()> {
        // In one step, so that nobody reads half of it.
        let next = self.file.with_extension("next");
        std::fs::write(&next, offset)?;
        Ok(std::fs::rename(next, &self.file)?)
    }

    /// The variables with which a process has this clock.
    pub(crate) fn env(&self) -> [(&'static str, &str); 5] {
        [
            ("LD_PRELOAD", LIBRARY),
            (
                "FAKETIME_TIMESTAMP_FILE",
                self.file.to_str().unwrap_or_default(),
            ),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ]
    }
}
