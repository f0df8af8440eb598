//! `anomaly plot`: saves the plot of a model.

use std::{io::Write, path::PathBuf};

use crate::{
    Error,
    args::{PlotArgs, PlotFormat},
    client::{Client, View},
    files,
};

/// Carries out `anomaly plot`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn plot(
    client: &Client,
    args: &PlotArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let format = args
        .format
        .or_else(|| PlotFormat::of_name(args.output.as_deref()?));
    let view = View {
        size: args.view.size,
        from: args.view.from.map(|time| time.alone().0),
        to: args.view.to.map(|time| time.alone().0),
        format,
    };
    let picture = client.plot(&args.series, args.version.as_ref(), view)?;
    let path = match &args.output {
        Some(path) => path.clone(),
        None => {
            let end = format.unwrap_or(PlotFormat::Png).name();
            PathBuf::from(format!("{}.{end}", args.series))
        }
    };
    files::save(&path, &picture, json, out)
}
