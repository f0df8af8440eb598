//! Completions and manual pages.

use std::fs;

use anyhow::Context;

use crate::{Folder, failure, success};

/// An address at which nothing answers: none is needed.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn every_shell_has_completions_of_commands_and_options() -> anyhow::Result<()> {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let text = success(NOBODY, &["completions", shell])?;
        for word in ["observe", "silence", "false-alarm-rate"] {
            assert!(text.contains(word), "{shell}: {word}");
        }
    }
    Ok(())
}

#[test]
fn every_command_has_a_manual_page_and_the_first_names_the_variables() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let pages = folder.path("share/man1").display().to_string();
    success(NOBODY, &["man", &pages])?;
    for page in ["anomaly", "anomaly-fit", "anomaly-stream-restart"] {
        let path = format!("{pages}/{page}.1");
        let text = fs::read_to_string(&path).context(path)?;
        assert!(text.contains(&format!(".TH {page} 1")), "{text}");
    }
    let first = fs::read_to_string(format!("{pages}/anomaly.1"))?;
    assert!(first.contains("ANOMALY_URL"), "{first}");
    // The value that the variable has here belongs into no page.
    assert!(!first.contains(NOBODY), "{first}");
    Ok(())
}

#[test]
fn a_folder_that_cannot_be_written_is_named() -> anyhow::Result<()> {
    let said = failure(NOBODY, &["man", "/dev/null/pages"], 1)?;
    assert!(said.contains("cannot write /dev/null/pages"), "{said}");
    Ok(())
}
