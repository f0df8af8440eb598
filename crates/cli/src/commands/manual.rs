//! What a shell and `man` know of this command, made from its own command line.

use std::{fs, io::Write};

use clap::CommandFactory;

use crate::{
    Error,
    args::{Cli, CompletionsArgs, ManArgs},
};

/// Writes the completions for a shell.
pub(crate) fn completions(args: &CompletionsArgs, out: &mut impl Write) -> Result<(), Error> {
    // The generator panics where writing fails.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "anomaly", &mut text);
    Ok(out.write_all(&text)?)
}

/// Writes a manual page for each command into a folder.
pub(crate) fn man(args: &ManArgs) -> Result<(), Error> {
    let command = Cli::command().disable_help_subcommand(true);
    fs::create_dir_all(&args.folder)
        .and_then(|()| clap_mangen::generate_to(command, &args.folder))
        .map_err(|source| Error::Output {
            to: args.folder.display().to_string(),
            source,
        })
}
