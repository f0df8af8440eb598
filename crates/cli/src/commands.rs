//! The commands, one function each.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use contract::{FitReply, FitRequest, Point, SeriesId};

use crate::{
    Error,
    args::{Cli, Command, CsvArgs, FitArgs, PlotArgs, PlotFormat, PredictArgs},
    client::{Client, ClientError, PlotQuery, Reply},
    progress::Progress,
    render::{self, count},
    replay::replay,
    series_file::{FileError, SeriesFile},
    timestamp::Stamp,
};

/// Carries out the command of `cli`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn run(cli: &Cli, out: &mut impl Write) -> Result<(), Error> {
    let client = |connections| Client::new(&cli.url, connections);
    match &cli.command {
        Command::Fit(args) => fit(&client(1), args, cli.json, out),
        Command::Predict(args) => predict(&client(1), args, cli.json, out),
        Command::Replay(args) => replay(&client(args.connections.into()), args, cli.json, out),
        Command::Plot(args) => plot(&client(1), args, out),
        Command::Health => health(&client(1), cli.json, out),
        Command::Ready => ready(&client(1), cli.json, out),
    }
}

fn fit(client: &Client, args: &FitArgs, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let file = read(&args.csv)?;
    let reply = fit_on(client, &args.series, &file.points)?;
    if json {
        return Ok(writeln!(out, "{}", reply.raw)?);
    }
    Ok(render::fitted(out, &reply.body, &file.points, file.clock)?)
}

fn predict(
    client: &Client,
    args: &PredictArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let (timestamp, clock) = args.timestamp.unwrap_or_else(now).alone();
    let point = Point {
        timestamp,
        value: args.value,
    };
    let reply = client.predict(&args.series, point)?;
    if json {
        return Ok(writeln!(out, "{}", reply.raw)?);
    }
    let time = clock.show(timestamp);
    Ok(render::verdict(
        out,
        &args.series,
        point.value,
        &time,
        &reply.body,
    )?)
}

fn plot(client: &Client, args: &PlotArgs, out: &mut impl Write) -> Result<(), Error> {
    let format = args
        .format
        .or_else(|| PlotFormat::of_name(args.output.as_deref()?));
    let query = PlotQuery {
        version: args.version,
        width: args.width,
        height: args.height,
        format,
    };
    let picture = client.plot(&args.series, query)?;
    let path = match &args.output {
        Some(path) if path == Path::new("-") => return Ok(out.write_all(&picture)?),
        Some(path) => path.clone(),
        None => {
            let end = format.unwrap_or(PlotFormat::Png).name();
            PathBuf::from(format!("{}.{end}", args.series))
        }
    };
    save(&path, &picture, out)
}

/// Writes a picture to `path` and says so.
pub(crate) fn save(path: &Path, picture: &[u8], out: &mut impl Write) -> Result<(), Error> {
    fs::write(path, picture).map_err(|source| Error::Output {
        to: path.display().to_string(),
        source,
    })?;
    Ok(writeln!(out, "saved {}", path.display())?)
}

fn health(client: &Client, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let reply = client.health()?;
    if json {
        return Ok(writeln!(out, "{}", reply.raw)?);
    }
    Ok(render::health(out, &reply.body)?)
}

fn ready(client: &Client, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let raw = client.ready()?;
    let line = if json { raw.trim_end() } else { "ready" };
    Ok(writeln!(out, "{line}")?)
}

/// Reads a file of points; says on standard error what had to be left out.
pub(crate) fn read(args: &CsvArgs) -> Result<SeriesFile, FileError> {
    let file = SeriesFile::read(args)?;
    if file.skipped > 0 {
        eprintln!("left out {}", count(file.skipped, "bad row"));
    }
    Ok(file)
}

/// Fits `series` on `points`, showing that it takes a while.
pub(crate) fn fit_on(
    client: &Client,
    series: &SeriesId,
    points: &[Point],
) -> Result<Reply<FitReply>, ClientError> {
    let _progress = Progress::spinner(format!("fitting {}", count(points.len(), "point")));
    let request = FitRequest {
        options: contract::FitOptions::default(),
        timestamps: points.iter().map(|p| p.timestamp).collect(),
        values: points.iter().map(|p| p.value).collect(),
    };
    client.fit(series, &request)
}

/// The time of the call, in whole seconds.
fn now() -> Stamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since_1970.map_or(0, |time| time.as_secs());
    Stamp::number(i64::try_from(seconds).unwrap_or(i64::MAX))
}
