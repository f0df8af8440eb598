//! The anomaly command: a client of the HTTP API.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use cli::Cli;

fn main() -> ExitCode {
    let cli = settings::read::<Cli>().config;
    let mut out = io::stdout().lock();
    let done = cli::run(&cli, &mut out).and_then(|()| Ok(out.flush()?));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.reader_is_gone() => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::from(e.exit_code())
        }
    }
}
