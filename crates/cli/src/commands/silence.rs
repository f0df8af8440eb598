//! `anomaly silence`: silences are made, listed and removed.

use std::io::Write;

use crate::{Error, args::SilenceCommand, client::Client, render::anomaly};

/// Carries out a command of `anomaly silence`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn silence(
    client: &Client,
    command: &SilenceCommand,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    match command {
        SilenceCommand::Add(args) => {
            let reply = client.add_silence(args)?;
            match json {
                true => writeln!(out, "{}", reply.line())?,
                false => anomaly::silence(out, &reply.body)?,
            }
        }
        SilenceCommand::List => {
            let reply = client.silences()?;
            if json {
                return Ok(writeln!(out, "{}", reply.line())?);
            }
            for silence in &reply.body.silences {
                anomaly::silence(out, silence)?;
            }
        }
        SilenceCommand::Delete { silence } => {
            client.delete_silence(*silence)?;
            if !json {
                writeln!(out, "{silence}: deleted")?;
            }
        }
    }
    Ok(())
}
