//! `anomaly watch`: observes the lines of a file that grows, of a command or of standard input.

use std::{
    io::{self, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use contract::{Point, SeriesId, TimeUnit};

use super::observe::{AT_ONCE, Report, Target};
use crate::{
    Error,
    args::WatchArgs,
    client::{Client, Told},
    http::{ClientError, retry_while},
    live::{End, Live, LivePoints, Rules, Source},
    stop::Stop,
};

/// The unit of times where the series has none yet.
const USUAL_UNIT: TimeUnit = TimeUnit::Milliseconds;

/// Carries out `anomaly watch`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn watch(
    client: &Client,
    args: &WatchArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut child = None;
    let (source, name) = match (&args.file, &args.command[..]) {
        (Some(path), _) if path == Path::new("-") => {
            (Source::Input(Box::new(io::stdin())), path.clone())
        }
        (Some(path), _) => (Source::File(path.clone()), path.clone()),
        (None, command) => {
            let mut started = start(command)?;
            let output = started
                .stdout
                .take()
                .ok_or_else(|| io::Error::other("no pipe"))?;
            child = Some(started);
            (Source::Input(Box::new(output)), command[0].clone().into())
        }
    };
    let rules = Rules {
        form: args.form.clone(),
        now: Some(USUAL_UNIT),
        new_only: args.new_only,
    };
    let mut live = Live::start(source, &name, rules, true)?;
    let target = Target {
        series: &args.series,
        notify: !args.no_notify,
    };
    let watched = format!("watching {}", name.display());
    let report = Report::new(out, json, args.all)
        .with_anomalies()
        .waiting(watched);
    let done = observe_all(client, &target, &mut live, report);
    match child {
        Some(child) => end(child, live.stop(), done),
        None => done,
    }
}

/// Observes the points of `live` to its end.
fn observe_all(
    client: &Client,
    target: &Target<'_>,
    live: &mut Live,
    mut report: Report<'_, impl Write>,
) -> Result<(), Error> {
    if let Some(unit) = unit_of(client, target.series, live.stop())? {
        live.set_now(unit);
    }
    loop {
        let LivePoints { points, clock, end } = live.next(AT_ONCE);
        report.clock = clock;
        if !points.is_empty() && !send(client, target, &points, live.stop(), &mut report)? {
            report.finish(live.skipped)?;
            return Err(Error::Unsent(points.len()));
        }
        match end {
            None => {}
            Some(End::Done | End::Stopped) => return report.finish(live.skipped),
            Some(End::Fault(fault)) => return Err(fault.into()),
        }
    }
}

/// Observes `points`, and waits for the platform as long as it is away. False if it was time to stop
/// before.
fn send(
    client: &Client,
    target: &Target<'_>,
    points: &[Point],
    stop: &Stop,
    report: &mut Report<'_, impl Write>,
) -> Result<bool, Error> {
    let call = || client.observe_many_once(target.series, points, target.notify);
    let is_done = |reply: &crate::http::Reply<Told<_>>| reply.body.is_done();
    let sent = retry_while(call, is_done, patience(stop));
    match sent {
        Err(error) if stop.is_set() && error.may_pass() => Ok(false),
        sent => report.sent(sent, points).map(|()| true),
    }
}

/// Waits between two tries as long as there is no `stop`. Says once that the platform is away.
fn patience(stop: &Stop) -> impl FnMut(Option<&ClientError>, Duration) -> bool + '_ {
    let mut is_said = false;
    move |error, pause| {
        if let Some(error) = error
            && !std::mem::replace(&mut is_said, true)
        {
            eprintln!("{error}\n  trying again until it answers");
        }
        !stop.wait(pause)
    }
}

/// The unit of the times of a series, if it has a stream with points.
fn unit_of(client: &Client, series: &SeriesId, stop: &Stop) -> Result<Option<TimeUnit>, Error> {
    match retry_while(|| client.stream(series), |_| true, patience(stop)) {
        Ok(reply) => Ok(reply.body.last_timestamp.and_then(TimeUnit::guess)),
        Err(error) if error.is_not_found() || stop.is_set() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Starts `command` with its output piped to us.
fn start(command: &[std::ffi::OsString]) -> Result<Child, Error> {
    let started = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    started.map_err(|source| Error::Command {
        command: command[0].display().to_string(),
        why: source.to_string(),
    })
}

/// Ends `child` if it should stop, and waits for it. Its failure is one of ours, unless we ended it.
fn end(mut child: Child, stop: &Stop, done: Result<(), Error>) -> Result<(), Error> {
    let is_ended = stop.is_set() || done.is_err();
    if is_ended {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait()?;
    done?;
    match status.success() || is_ended {
        true => Ok(()),
        false => Err(Error::Command {
            command: "the command".to_owned(),
            why: format!("ended with {status}"),
        }),
    }
}
