//! The key that signs exports, and the keys whose exports are trusted.
//!
//! The checksum of an export only tells that it arrived as it was sent: anyone can compute it. A
//! signature tells which installation wrote it. It is one of Ed25519, not a hash with a secret, so
//! that another installation can trust our exports without being able to make them.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use anyhow::{Context, anyhow};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clap::{
    ArgAction,
    builder::{OsStringValueParser, TypedValueParser},
};
use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};

/// The name of the kind of signature, before the public key and the signature in base64.
const KIND: &str = "ed25519";

/// The length of a public key, in bytes.
const KEY_BYTES: usize = 32;

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// Settings about exports and imports.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct ExportSettings {
    /// File with the private key that signs exports: Ed25519, PKCS #8, PEM. Without it standalone
    /// makes one in its data folder, and a trainer signs nothing.
    #[arg(long, env = "EXPORT_KEY_FILE", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub export_key_file: Option<PathBuf>,
    /// Public keys of other installations whose exports are trusted as our own, separated by
    /// commas. The log of an installation says at the start which one it has.
    #[arg(long, env = "TRUSTED_EXPORT_KEYS", default_value = "")]
    pub trusted_export_keys: TrustedKeys,
    /// Whether models are imported that no trusted installation has signed.
    #[arg(long, env = "IMPORT_FOREIGN", default_value_t = true, action = ArgAction::Set)]
    pub import_foreign: bool,
}

/// Public keys of installations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<String>);

/// Not a public key of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public key has {KEY_BYTES} bytes in base64")]
pub struct InvalidKey;

impl FromStr for TrustedKeys {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        let valid = keys.map(|key| match BASE64.decode(key) {
            Ok(bytes) if bytes.len() == KEY_BYTES => Ok(key.to_owned()),
            _ => Err(InvalidKey),
        });
        valid.collect::<Result<_, _>>().map(Self)
    }
}

/// Signs exports, and tells whose an export is. Cheap to clone. By default it signs nothing, and
/// every export is foreign and allowed.
#[derive(Clone, Debug)]
pub struct Exports {
    own: Option<Arc<Ed25519KeyPair>>,
    trusted: Arc<TrustedKeys>,
    takes_foreign: bool,
}

impl Default for Exports {
    fn default() -> Self {
        Self {
            own: None,
            trusted: Arc::default(),
            takes_foreign: true,
        }
    }
}

impl Exports {
    /// As `settings` say. If they name no key, it is the one in the file `own`, which is made if it
    /// does not exist. If that fails, because the disk is full or may not be written, nothing is
    /// signed, and the log says so.
    ///
    /// # Errors
    /// When the key cannot be read, with the name of its file.
    pub fn load(settings: &ExportSettings, own: Option<&Path>) -> anyhow::Result<Self> {
        let named = settings.export_key_file.as_deref();
        let named = named.filter(|path| *path != Path::new(""));
        let own = own.filter(|path| named.is_none() && exists(path));
        let own = named.or(own).map(read_key).transpose()?;
        if let Some(key) = &own {
            let key = BASE64.encode(key.public_key());
            tracing::info!(key, "exports are signed");
        }
        Ok(Self {
            own: own.map(Arc::new),
            trusted: Arc::new(settings.trusted_export_keys.clone()),
            takes_foreign: settings.import_foreign,
        })
    }

    /// The signature of an export, if exports are signed: the kind, the public key and the
    /// signature.
    pub(crate) fn sign(&self, export: &[u8]) -> Option<String> {
        let own = self.own.as_ref()?;
        let (key, signature) = (BASE64.encode(own.public_key()), own.sign(export));
        Some(format!("{KIND}:{key}:{}", BASE64.encode(signature)))
    }

    /// Whether an `export` with this `signature` was written by none of the installations that are
    /// trusted.
    ///
    /// # Errors
    /// When the signature is not one of the export, whoever made it.
    pub(crate) fn is_foreign(
        &self,
        export: &[u8],
        signature: Option<&str>,
    ) -> Result<bool, &'static str> {
        let Some(signature) = signature else {
            return Ok(true);
        };
        let mut parts = signature.split(':');
        let (Some(KIND), Some(key), Some(value), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("it has an unknown form");
        };
        let decoded = BASE64.decode(key).ok().zip(BASE64.decode(value).ok());
        let (bytes, value) = decoded.ok_or("it is not base64")?;
        UnparsedPublicKey::new(&ED25519, &bytes)
            .verify(export, &value)
            .map_err(|_| "the file was changed since it was signed")?;
        let own = self.own.as_ref().map(|own| own.public_key().as_ref());
        Ok(own != Some(&*bytes) && !self.trusted.0.iter().any(|trusted| trusted == key))
    }

    /// Whether foreign exports may be imported.
    pub(crate) fn takes_foreign(&self) -> bool {
        self.takes_foreign
    }
}

/// The key in the file at `path`.
fn read_key(path: &Path) -> anyhow::Result<Ed25519KeyPair> {
    let read = || {
        let pem = fs::read_to_string(path)?;
        if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
            tracing::warn!(file = %path.display(), "others can read the key that signs exports");
        }
        let body = pem
            .split_once(PEM_BEGIN)
            .and_then(|(_, rest)| rest.split_once(PEM_END));
        let (body, _) = body.context("it is not a private key in PEM")?;
        let body: String = body.split_whitespace().collect();
        let der = BASE64.decode(body).context("its base64 is broken")?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map_err(|fault| anyhow!("it is not a key of Ed25519: {fault}"))
    };
    read().with_context(|| format!("cannot use the key in {}", path.display()))
}

/// Whether there is a key at `path`. It is made if it can be.
fn exists(path: &Path) -> bool {
    if path.exists() {
        return true;
    }
    let made = make_key(path);
    if let Err(error) = &made {
        let file = path.display();
        tracing::warn!(%file, error = format!("{error:#}"), "cannot make a key: exports are not signed");
    }
    made.is_ok()
}

/// Makes a key in a new file at `path`, which only its owner can read.
fn make_key(path: &Path) -> anyhow::Result<()> {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let der = made.map_err(|_| anyhow!("the system gives no random numbers"))?;
    let body = BASE64.encode(der.as_ref());
    // Whole or not at all: a crash in between must not leave half a key.
    let unfinished = path.with_extension("new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    writeln!(file, "{PEM_BEGIN}")?;
    for line in body.as_bytes().chunks(64) {
        file.write_all(line)?;
        file.write_all(b"\n")?;
    }
    writeln!(file, "{PEM_END}")?;
    file.sync_all()?;
    Ok(fs::rename(unfinished, path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ExportSettings {
        ExportSettings {
            export_key_file: None,
            trusted_export_keys: TrustedKeys::default(),
            import_foreign: true,
        }
    }

    #[test]
    fn a_signature_is_ours_trusted_or_foreign() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let open = |name: &str, trusted: &str| {
            let settings = ExportSettings {
                trusted_export_keys: trusted.parse()?,
                ..settings()
            };
            Exports::load(&settings, Some(&folder.path().join(name)))
        };
        let (ours, theirs) = (open("a.key", "")?, open("b.key", "")?);
        let signed = ours.sign(b"model").context("a signature")?;
        let is_foreign = |exports: &Exports| exports.is_foreign(b"model", Some(&signed));
        assert_eq!(is_foreign(&ours), Ok(false));
        assert_eq!(is_foreign(&theirs), Ok(true));
        assert_eq!(is_foreign(&Exports::default()), Ok(true));
        assert_eq!(ours.is_foreign(b"model", None), Ok(true));
        let key = signed.split(':').nth(1).context("a key")?;
        assert_eq!(is_foreign(&open("b.key", key)?), Ok(false));
        // The key stays the same, so the same export has the same bytes.
        let again = open("a.key", "")?;
        assert_eq!(again.sign(b"model"), Some(signed.clone()));

        assert!(ours.is_foreign(b"other", Some(&signed)).is_err());
        let claimed = signed.replace(
            key,
            theirs
                .sign(b"model")
                .context("signed")?
                .split(':')
                .nth(1)
                .context("a key")?,
        );
        for broken in ["", "ed25519", "ed25519:a:b", "rsa:a:b", &claimed] {
            assert!(ours.is_foreign(b"model", Some(broken)).is_err(), "{broken}");
        }
        Ok(())
    }

    #[test]
    fn a_key_is_for_its_owner_and_may_be_one_of_openssl() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("export.key");
        Exports::load(&settings(), Some(&path))?;
        let mode = fs::metadata(&path)?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        // The example of RFC 8410, as openssl would make it.
        let pem = format!(
            "{PEM_BEGIN}\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n{PEM_END}\n"
        );
        fs::write(&path, pem)?;
        assert!(Exports::load(&settings(), Some(&path))?.sign(b"").is_some());

        for broken in ["", "no key", PEM_BEGIN] {
            fs::write(&path, broken)?;
            let error = Exports::load(&settings(), Some(&path))
                .err()
                .context("no error")?;
            assert!(format!("{error:#}").contains("export.key"), "{error:#}");
        }
        let missing = ExportSettings {
            export_key_file: Some(folder.path().join("missing")),
            ..settings()
        };
        assert!(Exports::load(&missing, None).is_err());
        Ok(())
    }

    #[test]
    fn trusted_keys_are_keys() {
        let key = BASE64.encode([7; KEY_BYTES]);
        let two = format!(" {key} ,{key}").parse::<TrustedKeys>();
        assert_eq!(two, Ok(TrustedKeys(vec![key.clone(), key])));
        assert_eq!("".parse(), Ok(TrustedKeys::default()));
        assert_eq!("abc".parse::<TrustedKeys>(), Err(InvalidKey));
    }
}
