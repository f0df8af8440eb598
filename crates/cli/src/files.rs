//! Files: points that commands read, and results that they save.

use std::{fs, io::Write, path::Path};

use crate::{
    Error,
    args::FormArgs,
    csv::{FileError, Guess, SeriesFile, TableFile},
};

/// Reads a file of points. Says on standard error how it was read.
pub(crate) fn read(path: &Path, form: &FormArgs) -> Result<SeriesFile, FileError> {
    let file = SeriesFile::read(path, form)?;
    say(path, &file.guess);
    Ok(file)
}

/// Reads each column of numbers of a file as a series. Says on standard error how.
pub(crate) fn read_each(
    path: &Path,
    form: &FormArgs,
) -> Result<Vec<(String, SeriesFile)>, FileError> {
    let files = SeriesFile::read_each(path, form)?;
    files.iter().for_each(|(_, file)| say(path, &file.guess));
    Ok(files)
}

/// Reads the columns `names` of a file. Says on standard error how it was read.
pub(crate) fn read_table(
    path: &Path,
    form: &FormArgs,
    names: &[String],
) -> Result<TableFile, FileError> {
    let file = TableFile::read(path, form, names)?;
    say(path, &file.guess);
    Ok(file)
}

/// Says in a line how `path` was read.
pub(crate) fn say(path: &Path, guess: &Guess) {
    let name = match path == Path::new("-") {
        true => "standard input".into(),
        false => path.display().to_string(),
    };
    eprintln!("{name}: {guess}");
}
/// Writes `bytes` to `path`, or to `out` if that is `-`. Says so on `out`, unless a program reads
/// it.
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

/// `printed`, unless whoever read the output has stopped reading. For commands that save a picture
/// after they printed: that is still wanted.
pub(crate) fn unless_reader_is_gone(printed: Result<(), Error>) -> Result<(), Error> {
    match printed {
        Err(e) if e.reader_is_gone() => Ok(()),
        printed => printed,
    }
}
