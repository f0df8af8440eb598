//! `anomaly stream`: streams are shown, changed, begun anew and ended.

use std::io::Write;

use contract::StreamReply;

use super::registry::confirm;
use crate::{
    Error,
    args::{EndArgs, RestartArgs, SetStreamArgs, StreamArgs, StreamCommand},
    client::{Client, Told},
    http::Reply,
    render::stream,
};

/// Carries out a command of `anomaly stream`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn stream(
    client: &Client,
    command: &StreamCommand,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    match command {
        StreamCommand::Show(args) => show(client, args, json, out),
        StreamCommand::Set(args) => set(client, args, json, out),
        StreamCommand::Restart(args) => restart(client, args, json, out),
        StreamCommand::End(args) => end(client, args, json, out),
    }
}

fn show(client: &Client, args: &StreamArgs, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let reply = client.stream(&args.series)?;
    match json {
        true => Ok(writeln!(out, "{}", reply.line())?),
        false => Ok(stream::shown(out, &reply.body)?),
    }
}

fn set(
    client: &Client,
    args: &SetStreamArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let reply = client.set_stream(&args.series, &args.options())?;
    told(&reply, json, out)
}

fn restart(
    client: &Client,
    args: &RestartArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let reply = client.restart_stream(&args.series, &args.restart())?;
    told(&reply, json, out)
}

/// Prints what a change made of a stream.
fn told(reply: &Reply<Told<StreamReply>>, json: bool, out: &mut impl Write) -> Result<(), Error> {
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    match &reply.body {
        Told::Done(shown) => Ok(stream::shown(out, shown)?),
        Told::Accepted(reply) => Ok(writeln!(
            out,
            "{}: accepted, and done soon",
            reply.series_id
        )?),
    }
}

fn end(client: &Client, args: &EndArgs, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let series = &args.series;
    confirm(args.yes, || {
        Ok(format!(
            "End the stream of {series} and forget what it has learned?"
        ))
    })?;
    client.end_stream(series)?;
    match json {
        true => Ok(()),
        false => Ok(writeln!(out, "{series}: stream ended")?),
    }
}
