//! API keys: made here, without the platform.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use contract::{ApiKey, KeyLimits, SecretHash};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{Error, args::NewKeyArgs};

/// The beginning of every secret, by which people and scanners of source code know one.
const MARK: &str = "anomaly_";

pub(crate) fn new(args: &NewKeyArgs, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let (secret, key) = made(args)?;
    let line = serde_json::to_string(&key).expect("texts are JSON");
    if json {
        writeln!(out, "{}", json!({"secret": secret, "key": key}))?;
    } else {
        writeln!(out, "{secret}")?;
    }
    match &args.file {
        Some(file) => append(file, &line).map_err(|source| Error::Output {
            to: file.display().to_string(),
            source,
        })?,
        None if json => {}
        None => writeln!(out, "{line}")?,
    }
    if !json {
        eprintln!(
            "The first line is the secret, which is not shown again: ANOMALY_API_KEY, or Authorization: Bearer."
        );
        match &args.file {
            Some(file) => eprintln!("Its hash was added to {}.", file.display()),
            None => eprintln!("The second line belongs into the file that API_KEYS_FILE names."),
        }
    }
    Ok(())
}

/// A new secret and its key.
fn made(args: &NewKeyArgs) -> Result<(String, ApiKey), Error> {
    let mut random = [0; 38];
    getrandom::fill(&mut random).map_err(|error| Error::NoRandom(error.to_string()))?;
    let (random, id) = random.split_at(32);
    let secret = format!("{MARK}{}", URL_SAFE_NO_PAD.encode(random));
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut scopes = args.scopes.clone();
    scopes.sort();
    scopes.dedup();
    let key = ApiKey {
        id: id.parse().expect("hexadecimal digits are a name"),
        name: args.name.clone(),
        sha256: SecretHash(Sha256::digest(&secret).into()),
        scopes,
        series: Some(args.series.clone()).filter(|series| !series.is_empty()),
        expires: args.expires,
        limits: KeyLimits {
            requests_per_second: args.requests_per_second,
            bytes_per_second: args.bytes_per_second,
            work_seconds_per_minute: args.work_seconds_per_minute,
        },
    };
    // As the platform will.
    let line = serde_json::to_string(&key).expect("texts are JSON");
    let key = ApiKey::parse(&line).map_err(|fault| Error::InvalidKey(fault.to_string()))?;
    Ok((secret, key))
}

/// Adds `line` to `file`, in one piece: it may be read at the same time.
fn append(file: &Path, line: &str) -> io::Result<()> {
    let ends = match fs::read(file) {
        Ok(text) => text.is_empty() || text.ends_with(b"\n"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error),
    };
    let mut options = OpenOptions::new();
    let mut file = options.append(true).create(true).mode(0o600).open(file)?;
    let start = if ends { "" } else { "\n" };
    file.write_all(format!("{start}{line}\n").as_bytes())
}
