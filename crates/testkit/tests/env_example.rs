//! `.env.example` has every variable of every program, with its default, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};
use clap::{Arg, Command, CommandFactory, Parser};

const FILE: &str = include_str!("../../../.env.example");

/// A program that reads its settings from the environment.
struct Program {
    command: Command,
    parse: fn(&[String]) -> Result<(), clap::Error>,
}

fn program<C: CommandFactory + Parser>() -> Program {
    Program {
        command: C::command(),
        parse: |args| C::try_parse_from(args).map(drop),
    }
}

fn programs() -> [Program; 10] {
    [
        program::<gateway::Config>(),
        program::<trainer::Config>(),
        program::<predictor::Config>(),
        program::<metrics_consumer::Config>(),
        program::<training_data_consumer::Config>(),
        program::<observer::Config>(),
        program::<notifier::Config>(),
        program::<init::Config>(),
        program::<standalone::Config>(),
        program::<cli::Cli>(),
    ]
}

/// The arguments of `program` that can be given by a variable, with its name.
fn variables(program: &Program) -> impl Iterator<Item = (&str, &Arg)> {
    let named = |arg| Some((Arg::get_env(arg)?.to_str()?, arg));
    program.command.get_arguments().filter_map(named)
}

/// A line of the file.
#[derive(Debug)]
struct Variable {
    value: String,
    is_set: bool,
}

/// The file by variable: each on a line, `NAME=value` or `# NAME=value`, below a line that says
/// what it is.
fn example() -> anyhow::Result<BTreeMap<String, Variable>> {
    let mut variables = BTreeMap::new();
    let mut said = "";
    for line in FILE.lines() {
        let assignment = line.strip_prefix("# ").unwrap_or(line).split_once('=');
        let is_name = |name: &str| name.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'_'));
        let Some((name, value)) = assignment.filter(|(name, _)| is_name(name)) else {
            ensure!(
                line.is_empty() || line.starts_with('#'),
                "{line:?} is neither"
            );
            said = line;
            continue;
        };
        ensure!(
            said.starts_with("# ") && said.len() > 4,
            "nothing is said of {name}"
        );
        said = "";
        let variable = Variable {
            value: value.to_owned(),
            is_set: !line.starts_with('#'),
        };
        let before = variables.insert(name.to_owned(), variable);
        ensure!(before.is_none(), "{name} is there twice");
    }
    Ok(variables)
}

#[test]
fn it_has_every_variable_and_nothing_else() -> anyhow::Result<()> {
    let programs = programs();
    let read: BTreeSet<&str> = programs
        .iter()
        .flat_map(variables)
        .map(|(name, _)| name)
        .collect();
    let example = example()?;
    let listed: BTreeSet<&str> = example.keys().map(String::as_str).collect();
    let missing: Vec<_> = read.difference(&listed).collect();
    let unread: Vec<_> = listed.difference(&read).collect();
    assert!(
        missing.is_empty() && unread.is_empty(),
        "missing: {missing:?}, read by none: {unread:?}"
    );
    // A file that is copied to .env must not hide what the programs have as their defaults.
    assert!(example.values().all(|variable| !variable.is_set));
    Ok(())
}

#[test]
fn it_shows_the_defaults() -> anyhow::Result<()> {
    let programs = programs();
    let mut defaults: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, arg) in programs.iter().flat_map(variables) {
        let default = arg.get_default_values().first();
        let default = default.map(|value| value.to_string_lossy().into_owned());
        defaults
            .entry(name)
            .or_default()
            .insert(default.unwrap_or_default());
    }
    for (name, Variable { value, .. }) in example()? {
        let defaults = defaults
            .get(&*name)
            .with_context(|| format!("nobody reads {name}"))?;
        if !defaults.contains(&value) {
            bail!("{name}={value}, but by default it is {defaults:?}");
        }
    }
    Ok(())
}

#[test]
fn every_program_takes_all_of_it() -> anyhow::Result<()> {
    let example = example()?;
    for program in programs() {
        let mut args = vec![program.command.get_name().to_owned()];
        for (name, arg) in variables(&program) {
            let long = arg
                .get_long()
                .with_context(|| format!("{name} has no flag"))?;
            let value = &example
                .get(name)
                .with_context(|| format!("no {name}"))?
                .value;
            args.push(format!("--{long}={value}"));
        }
        if program.command.is_subcommand_required_set() {
            args.push("health".to_owned());
        }
        (program.parse)(&args).with_context(|| args.join(" "))?;
    }
    Ok(())
}
