//! The commands, one function each, and what several of them need.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use contract::{FitReply, FitRequest, Point, PredictRequest, SeriesId};

use crate::{
    Error,
    args::{
        Cli, Command, CsvArgs, FitArgs, FitOptionArgs, FormArgs, PlotArgs, PlotFormat, PredictArgs,
    },
    client::{Client, PlotQuery},
    context::Moment,
    detect::detect,
    http::{ClientError, Reply},
    manage,
    progress::Progress,
    render::{self, count, health::health},
    replay::replay,
    series_file::{FileError, SeriesFile},
    timestamp::Stamp,
};

/// Carries out the command of `cli`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn run(cli: &Cli, out: &mut impl Write) -> Result<(), Error> {
    let connections = match &cli.command {
        Command::Replay(args) => args.connections.into(),
        _ => 1,
    };
    let client = &Client::new(&cli.url, connections);
    match &cli.command {
        Command::Fit(args) => fit(client, args, cli.json, out),
        Command::Predict(args) => predict(client, args, cli.json, out),
        Command::Detect(args) => detect(client, args, cli.json, out),
        Command::Replay(args) => replay(client, args, cli.json, out),
        Command::Plot(args) => plot(client, args, cli.json, out),
        Command::Series(args) => manage::series(client, args, cli.json, out),
        Command::Models(args) => manage::models(client, args, cli.json, out),
        Command::Promote(args) => manage::promote(client, args, cli.json, out),
        Command::Rollback(args) => manage::rollback(client, args, cli.json, out),
        Command::Export(args) => manage::export(client, args, cli.json, out),
        Command::Import(args) => manage::import(client, args, cli.json, out),
        Command::Delete(args) => manage::delete(client, args, cli.json, out),
        Command::Health => figures(client, cli.json, out),
        Command::Ready => ready(client, cli.json, out),
    }
}

fn fit(client: &Client, args: &FitArgs, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let file = read(&args.csv)?;
    let reply = fit_on(client, &args.series, &file.points, &args.options)?;
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
    let moment = match &args.context {
        Some(path) => Moment::after(read_file(path, &args.form)?, args.timestamp)?,
        None => Moment::alone(args.timestamp.unwrap_or_else(Stamp::now)),
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
    let subject = format!("{}: {} at {time}", args.series, args.value);
    Ok(render::verdict(out, &subject, &reply.body)?)
}

fn plot(client: &Client, args: &PlotArgs, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let format = args
        .format
        .or_else(|| PlotFormat::of_name(args.output.as_deref()?));
    let query = PlotQuery {
        version: args.version.clone(),
        width: args.width,
        height: args.height,
        from: args.from.map(|stamp| stamp.alone().0),
        to: args.to.map(|stamp| stamp.alone().0),
        format,
    };
    let picture = client.plot(&args.series, query)?;
    let path = match &args.output {
        Some(path) => path.clone(),
        None => {
            let end = format.unwrap_or(PlotFormat::Png).name();
            PathBuf::from(format!("{}.{end}", args.series))
        }
    };
    save(&path, &picture, json, out)
}

/// Writes `bytes` to `path`, or to `out` if that is `-`, and says so, unless what `out` takes is for a program.
pub(crate) fn save(
    path: &Path,
    bytes: &[u8],
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    if path == Path::new("-") {
        return Ok(out.write_all(bytes)?);
    }
    fs::write(path, bytes).map_err(|source| Error::Output {
        to: path.display().to_string(),
        source,
    })?;
    if json {
        return Ok(());
    }
    Ok(writeln!(out, "saved {}", path.display())?)
}

fn figures(client: &Client, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let reply = client.health()?;
    if json {
        return Ok(writeln!(out, "{}", reply.raw)?);
    }
    Ok(health(out, &reply.body)?)
}

fn ready(client: &Client, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let raw = client.ready()?;
    let line = if json { raw.trim_end() } else { "ready" };
    Ok(writeln!(out, "{line}")?)
}

/// Reads a file of points; says on standard error what had to be left out.
pub(crate) fn read(args: &CsvArgs) -> Result<SeriesFile, FileError> {
    read_file(&args.file, &args.form)
}

fn read_file(path: &Path, form: &FormArgs) -> Result<SeriesFile, FileError> {
    let file = SeriesFile::read(path, form)?;
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
    options: &FitOptionArgs,
) -> Result<Reply<FitReply>, ClientError> {
    let _progress = Progress::spinner(format!("fitting {}", count(points.len(), "point")));
    let request = FitRequest {
        timestamps: points.iter().map(|p| p.timestamp).collect(),
        values: points.iter().map(|p| p.value).collect(),
        options: options.options(),
    };
    client.fit(series, &request)
}
