//! The commands, a file for each or for those that belong together.

mod anomalies;
mod detect;
mod detect_columns;
mod fit;
mod health;
mod key;
mod manual;
mod observe;
mod plot;
mod points;
mod predict;
mod registry;
mod replay;
mod silence;
mod stream;
mod watch;

use std::io::Write;

use crate::{
    Error,
    args::{Cli, Command, KeyCommand},
    client::Client,
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
    let client = &Client::new(&cli.url, cli.api_key.as_ref(), &cli.tls, connections)?;
    let json = cli.json;
    match &cli.command {
        Command::Fit(args) => fit::fit(client, args, json, out),
        Command::Predict(args) => predict::predict(client, args, json, out),
        Command::Observe(args) => observe::observe(client, args, json, out),
        Command::Watch(args) => watch::watch(client, args, json, out),
        Command::Points(args) => points::points(client, args, json, out),
        Command::Stream(command) => stream::stream(client, command, json, out),
        Command::Anomalies(args) => anomalies::anomalies(client, args, json, out),
        Command::Silence(command) => silence::silence(client, command, json, out),
        Command::Detect(args) => detect::detect(client, args, json, out),
        Command::Replay(args) => replay::replay(client, args, json, out),
        Command::Plot(args) => plot::plot(client, args, json, out),
        Command::Series(args) => registry::series(client, args, json, out),
        Command::Models(args) => registry::models(client, args, json, out),
        Command::Promote(args) => registry::promote(client, args, json, out),
        Command::Unpin(args) => registry::unpin(client, args, json, out),
        Command::Rollback(args) => registry::rollback(client, args, json, out),
        Command::Export(args) => registry::export(client, args, json, out),
        Command::Import(args) => registry::import(client, args, json, out),
        Command::Delete(args) => registry::delete(client, args, json, out),
        Command::Key(KeyCommand::New(args)) => key::new(args, json, out),
        Command::Completions(args) => manual::completions(args, out),
        Command::Man(args) => manual::man(args),
        Command::Health => health::health(client, json, out),
        Command::Ready => health::ready(client, json, out),
    }
}
