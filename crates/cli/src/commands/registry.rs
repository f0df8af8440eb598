//! The commands that list series and models, change which model serves, and copy or delete models.

use std::{
    fs,
    io::{self, BufRead, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};

use contract::{AliasName, Version, VersionRef};

use crate::{
    Error,
    args::{
        DeleteArgs, ExportArgs, ImportArgs, ModelsArgs, PromoteArgs, RollbackArgs, SeriesArgs,
        UnpinArgs,
    },
    client::Client,
    csv::FileError,
    files,
    http::{ClientError, Reply},
    render::registry,
};

/// Lists all series, page by page.
pub(crate) fn series(
    client: &Client,
    args: &SeriesArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let prefix = args.prefix.as_deref();
    pages(
        json,
        out,
        |after: Option<&String>| client.list_series(prefix, after.map(String::as_str)),
        |page| page.next.as_ref(),
        |out, page, is_first| registry::series(out, &page.series, is_first),
    )
}

/// Lists all models of a series, page by page.
pub(crate) fn models(
    client: &Client,
    args: &ModelsArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    pages(
        json,
        out,
        |before: Option<&Version>| client.list_models(&args.series, before.copied()),
        |page| page.next.as_ref(),
        |out, page, is_first| registry::models(out, &page.models, is_first),
    )
}

/// Writes all pages of a list: as they came with `json`, else by `show`, which is told whether a
/// page is the first. `fetch` gets what `next` found in the page before.
fn pages<P, Cursor, W: Write>(
    json: bool,
    out: &mut W,
    fetch: impl Fn(Option<&Cursor>) -> Result<Reply<P>, ClientError>,
    next: impl Fn(&P) -> Option<&Cursor>,
    show: impl Fn(&mut W, &P, bool) -> io::Result<()>,
) -> Result<(), Error> {
    let mut last: Option<P> = None;
    loop {
        let page = fetch(last.as_ref().and_then(&next))?;
        if json {
            writeln!(out, "{}", page.line())?;
        } else {
            show(out, &page.body, last.is_none())?;
        }
        if next(&page.body).is_none() {
            return Ok(());
        }
        last = Some(page.body);
    }
}

/// Makes an alias name a version.
pub(crate) fn promote(
    client: &Client,
    args: &PromoteArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let when = args.condition.if_match;
    let reply = client.set_alias(&args.series, &args.alias, &args.version, when)?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    Ok(registry::alias(
        out,
        &args.series,
        &reply.body,
        reply.revision,
    )?)
}

/// Takes the champion away, so that the newest version serves.
pub(crate) fn unpin(
    client: &Client,
    args: &UnpinArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let champion = AliasName::champion();
    client.remove_alias(&args.series, &champion, args.condition.if_match)?;
    if json {
        return Ok(());
    }
    Ok(writeln!(
        out,
        "{}: no longer pinned, the newest version serves",
        args.series
    )?)
}

/// Makes the champion name the version that it named before.
pub(crate) fn rollback(
    client: &Client,
    args: &RollbackArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let reply = client.rollback(&args.series, args.condition.if_match)?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    Ok(registry::alias(
        out,
        &args.series,
        &reply.body,
        reply.revision,
    )?)
}

/// Saves a model, unchanged byte for byte.
pub(crate) fn export(
    client: &Client,
    args: &ExportArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let version = match &args.version {
        Some(version) => version.clone(),
        None => VersionRef::Version(client.series(&args.series)?.body.summary.serving),
    };
    let file = client.export(&args.series, &version)?;
    let path = match &args.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.{}.json", args.series, file.body.version)),
    };
    files::save(&path, file.raw.as_bytes(), json, out)
}

/// Makes a saved model the next version of a series. The platform checks the file.
pub(crate) fn import(
    client: &Client,
    args: &ImportArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let file = bytes_of(&args.file).map_err(|source| FileError::Open {
        path: args.file.display().to_string(),
        source,
    })?;
    let reply = client.import(&args.series, &file)?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    Ok(registry::imported(out, &reply.body, reply.revision)?)
}

/// The bytes of the file at `path`; `-` is standard input.
pub(super) fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Deletes a model or a series, once someone has said yes.
pub(crate) fn delete(
    client: &Client,
    args: &DeleteArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let series = &args.series;
    confirm(args.yes, || {
        Ok(match &args.version {
            Some(version) => format!("Delete {version} of {series} with its training points?"),
            None => match client.series(series) {
                Err(error) if error.is_not_found() => registry::stream_of(series),
                shown => registry::all_of(&shown?.body.summary),
            },
        })
    })?;
    client.delete(series, args.version.as_ref(), args.condition.if_match)?;
    if json {
        return Ok(());
    }
    match &args.version {
        Some(version) => writeln!(out, "{series}: {version} deleted")?,
        None => writeln!(out, "{series}: deleted")?,
    }
    Ok(())
}

/// Asks `question`, unless the answer is yes already (`is_yes`).
///
/// # Errors
/// When there is nobody to ask, or the answer is another.
pub(super) fn confirm(
    is_yes: bool,
    question: impl FnOnce() -> Result<String, Error>,
) -> Result<(), Error> {
    if is_yes {
        return Ok(());
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Error::NobodyToAsk);
    }
    match says_yes(&question()?, &mut io::stdin().lock(), &mut io::stderr())? {
        true => Ok(()),
        false => Err(Error::NotConfirmed),
    }
}

/// Asks `question` on `console` and reads the answer from `input`. Anything but yes is a no.
fn says_yes(
    question: &str,
    input: &mut impl BufRead,
    console: &mut impl Write,
) -> io::Result<bool> {
    write!(console, "{question} [y/N] ")?;
    console.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    let answer = answer.trim();
    Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_a_yes() {
        for (answer, is_yes) in [
            ("y\n", true),
            (" YES \r\n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yesterday\n", false),
        ] {
            let mut console = Vec::new();
            let said = says_yes("Delete it?", &mut answer.as_bytes(), &mut console);
            assert_eq!(said.unwrap(), is_yes, "{answer:?}");
            assert_eq!(console, b"Delete it? [y/N] ");
        }
    }
}
