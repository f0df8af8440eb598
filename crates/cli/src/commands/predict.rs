//! `anomaly predict`: asks for the verdict on one point.

use std::io::Write;

use contract::{Point, PredictRequest};

use crate::{
    Error, args::PredictArgs, client::Client, context::Moment, files, render, timestamp::Timestamp,
};

/// Carries out `anomaly predict`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn predict(
    client: &Client,
    args: &PredictArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let moment = match &args.context {
        Some(path) => Moment::after(files::read(path, &args.form)?, args.timestamp)?,
        None => Moment::alone(args.timestamp.unwrap_or_else(Timestamp::now)),
    };
    let request = PredictRequest {
        point: Point {
            timestamp: moment.timestamp,
            value: args.value,
        },
        judge: args.judge.options(),
        version: args.version.clone(),
        context: moment.context,
    };
    let reply = client.predict(&args.series, &request)?;
    if json {
        return Ok(writeln!(out, "{}", reply.raw)?);
    }
    let time = moment.clock.show(moment.timestamp);
    let subject = format!("{}: {} at {time}", args.series, render::value(args.value));
    Ok(render::verdict(out, &subject, &reply.body)?)
}
