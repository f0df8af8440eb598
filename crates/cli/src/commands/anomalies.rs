//! `anomaly anomalies`: what streams have found.

use std::io::Write;

use crate::{
    Error,
    args::{AnomaliesArgs, AnomalyCommand, AnomalyFilter, IncidentFilter},
    client::Client,
    render::anomaly,
};

/// Carries out `anomaly anomalies`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn anomalies(
    client: &Client,
    args: &AnomaliesArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    match &args.command {
        None => list(client, &args.filter, json, out),
        Some(AnomalyCommand::Show { anomaly: id }) => {
            let reply = client.anomaly(*id)?;
            match json {
                true => Ok(writeln!(out, "{}", reply.line())?),
                false => Ok(anomaly::shown(out, &reply.body)?),
            }
        }
        Some(AnomalyCommand::Incidents(filter)) => incidents(client, filter, json, out),
        Some(AnomalyCommand::Incident { incident }) => {
            let reply = client.incident(*incident)?;
            match json {
                true => Ok(writeln!(out, "{}", reply.line())?),
                false => Ok(anomaly::incident(out, &reply.body)?),
            }
        }
    }
}

fn list(
    client: &Client,
    filter: &AnomalyFilter,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let reply = client.anomalies(filter)?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    for found in &reply.body.anomalies {
        anomaly::line(out, found)?;
    }
    more(reply.body.next.as_deref());
    Ok(())
}

fn incidents(
    client: &Client,
    filter: &IncidentFilter,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let reply = client.incidents(filter)?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    anomaly::incidents(out, &reply.body.incidents)?;
    more(reply.body.next.as_deref());
    Ok(())
}

/// Says how to go on, where the list does.
fn more(next: Option<&str>) {
    if let Some(next) = next {
        eprintln!("there are more: --after {next}");
    }
}
