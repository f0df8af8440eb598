//! `anomaly health` and `anomaly ready`: the state of the platform.

use std::io::Write;

use crate::{Error, client::Client, render};

/// Carries out `anomaly health`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn health(client: &Client, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let reply = client.health()?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    Ok(render::health::health(out, &reply.body)?)
}

/// Carries out `anomaly ready`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn ready(client: &Client, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let raw = client.ready()?;
    let line = if json { raw.trim_end() } else { "ready" };
    Ok(writeln!(out, "{line}")?)
}
