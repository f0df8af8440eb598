//! The keys that are valid, and how the key of a request is found among them.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet, hash_map::Entry},
    convert::Infallible,
    hint::black_box,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::{Context, bail, ensure};
use contract::{ApiKey, KeyLimits, KeyName, SecretHash, endpoint::Scope};
use service::file_stamp::FileStamp;
use sha2::{Digest, Sha256};

use super::budget::Budget;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The longest secret that is looked up, in bytes; ours have 51.
const MAX_SECRET_BYTES: usize = 256;

/// How many secrets a thread remembers. A power of two.
const REMEMBERED: usize = 64;

/// A key without its secret.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: KeyName,
    pub(crate) holder: KeyName,
    /// A bit for each scope.
    scopes: u8,
    /// The key is for series that begin with one of these; `None`: for all.
    prefixes: Option<Vec<String>>,
    expires: Option<SystemTime>,
    /// `None`: nothing is limited.
    pub(crate) budget: Option<Arc<Budget>>,
}

impl Key {
    /// `key` with the budget that it had `before`, if its limits are still the same.
    fn of(key: ApiKey, defaults: KeyLimits, before: Option<&Keyring>) -> Self {
        let limits = key.limits.or(defaults);
        let mut former = before.into_iter().flat_map(|ring| ring.by_hash.values());
        let former = former.find(|former| former.id == key.id);
        let budget = former.and_then(|former| former.budget.clone());
        let budget = budget.filter(|budget| budget.limits() == limits);
        Self {
            id: key.id,
            holder: key.name,
            budget: budget.or_else(|| Budget::new(limits)),
            scopes: key.scopes.iter().fold(0, |all, scope| all | bit(*scope)),
            prefixes: key.series,
            expires: key.expires.map(contract::Expiry::time),
        }
    }

    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.scopes & bit(scope) != 0
    }

    pub(crate) fn is_for(&self, series: &str) -> bool {
        let begins = |prefix: &String| series.starts_with(prefix.as_str());
        self.prefixes
            .as_ref()
            .is_none_or(|all| all.iter().any(begins))
    }

    /// The only beginnings of series that the key is for; `None`: it is for all series.
    pub(crate) fn prefixes(&self) -> Option<&[String]> {
        self.prefixes.as_deref()
    }

    fn is_valid(&self) -> bool {
        // Few keys expire: the others do not ask for the time.
        self.expires.is_none_or(|end| SystemTime::now() < end)
    }
}

const fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

/// The keys of a file at one time.
struct Keyring {
    /// Differs from that of any other in this process.
    generation: u64,
    by_hash: HashMap<SecretHash, Arc<Key>>,
}

impl Keyring {
    /// The keys in `text`, with the budgets that they had `before`. Blank lines and those that begin
    /// with `#` are left out.
    ///
    /// # Errors
    /// The first line that is not valid; or there is no key.
    fn parse(text: &str, defaults: KeyLimits, before: Option<&Self>) -> anyhow::Result<Self> {
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        let (mut by_hash, mut ids) = (HashMap::new(), HashSet::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = ApiKey::parse(line).with_context(|| format!("line {number}"))?;
            if !ids.insert(key.id.clone()) {
                bail!("line {number}: another key has the id {}", key.id);
            }
            match by_hash.entry(key.sha256) {
                Entry::Occupied(_) => bail!("line {number}: another key has this sha256"),
                Entry::Vacant(place) => place.insert(Arc::new(Key::of(key, defaults, before))),
            };
        }
        // As a file is that is being written.
        ensure!(!by_hash.is_empty(), "there is no key in it");
        Ok(Self {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            by_hash,
        })
    }
}

/// The keys of a file, as they are now.
pub(crate) struct KeyFile {
    path: PathBuf,
    /// For keys that say nothing of theirs.
    defaults: KeyLimits,
    /// Before it was first read.
    stamp: FileStamp,
    current: RwLock<Arc<Keyring>>,
    /// That of `current`.
    generation: AtomicU64,
}

thread_local! {
    /// Secrets that were found a moment ago, each in the place that its last byte gives it.
    static FOUND: RefCell<[Option<Found>; REMEMBERED]> =
        const { RefCell::new([const { None }; REMEMBERED]) };
}

/// A secret and its key, in the keyring of a generation.
struct Found {
    generation: u64,
    secret: Box<[u8]>,
    key: Arc<Key>,
}

impl KeyFile {
    /// Reads the file at `path`. Keys that have no limits of their own get the `defaults`.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is not valid.
    pub(crate) async fn open(path: PathBuf, defaults: KeyLimits) -> anyhow::Result<Self> {
        let read = async {
            let stamp = FileStamp::of(&path).await?;
            let text = tokio::fs::read_to_string(&path).await?;
            anyhow::Ok((stamp, Keyring::parse(&text, defaults, None)?))
        };
        let read = read.await;
        let (stamp, keyring) = read.with_context(|| format!("API keys in {}", path.display()))?;
        Ok(Self {
            path,
            defaults,
            stamp,
            generation: keyring.generation.into(),
            current: RwLock::new(Arc::new(keyring)),
        })
    }

    /// What `then` makes of the key whose secret is `secret`; `None` if there is none, or it has
    /// expired.
    ///
    /// A thread remembers secrets, so that the usual request needs no hash. They are compared in
    /// constant time. The hash may be looked up in any time: nobody can make a secret to a hash.
    pub(crate) fn find<T>(&self, secret: &[u8], then: impl FnOnce(&Arc<Key>) -> T) -> Option<T> {
        let last = *secret.last().filter(|_| secret.len() <= MAX_SECRET_BYTES)?;
        let generation = self.generation.load(Ordering::Acquire);
        FOUND.with_borrow_mut(|places| {
            let place = &mut places[usize::from(last) % REMEMBERED];
            let is_it =
                |found: &Found| found.generation == generation && equal(&found.secret, secret);
            if !place.as_ref().is_some_and(is_it) {
                *place = Some(self.search(secret)?);
            }
            let key = &place.as_ref()?.key;
            key.is_valid().then(|| then(key))
        })
    }

    #[cold]
    fn search(&self, secret: &[u8]) -> Option<Found> {
        let keyring = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let hash = SecretHash(Sha256::digest(secret).into());
        Some(Found {
            generation: keyring.generation,
            key: Arc::clone(keyring.by_hash.get(&hash)?),
            secret: secret.into(),
        })
    }

    /// Reads the file again whenever it has changed, for ever. A file that is not valid changes
    /// nothing.
    pub(crate) async fn watch(&self) -> Infallible {
        let mut seen = Some(self.stamp);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let stamp = FileStamp::of(&self.path).await.ok();
            if stamp != seen {
                seen = stamp;
                self.read_again().await;
            }
        }
    }

    async fn read_again(&self) {
        let file = self.path.display();
        let former = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        let read = async {
            let text = tokio::fs::read_to_string(&self.path).await?;
            Keyring::parse(&text, self.defaults, Some(&former))
        };
        match read.await {
            Ok(keyring) => {
                let (keys, generation) = (keyring.by_hash.len(), keyring.generation);
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(keyring);
                self.generation.store(generation, Ordering::Release);
                tracing::info!(%file, keys, "API keys read again");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(%file, error, "API keys cannot be read; the former ones stay valid");
            }
        }
    }
}

/// Whether both are the same, in a time that depends on their lengths only.
fn equal(one: &[u8], other: &[u8]) -> bool {
    let ((words, bytes), (other_words, other_bytes)) =
        (one.as_chunks::<8>(), other.as_chunks::<8>());
    let words = words.iter().zip(other_words).fold(0, |all, (a, b)| {
        all | (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b))
    });
    let bytes = bytes.iter().zip(other_bytes);
    let bytes = bytes.fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && black_box(words | u64::from(bytes)) == 0
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_broken_file_changes_nothing() -> anyhow::Result<()> {
        let line = |secret: &str| {
            let hash = SecretHash(Sha256::digest(secret).into());
            format!(r#"{{"id":"{secret}","name":"n","sha256":"{hash}","scopes":["read"]}}"#)
        };
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("keys");
        fs::write(&path, line("a"))?;
        let keys = KeyFile::open(path.clone(), KeyLimits::default()).await?;
        let has = |secret: &str| keys.find(secret.as_bytes(), |_| ()).is_some();
        for broken in [
            "",
            "{}",
            &format!("{}\n{}", line("b"), line("b")),
            &line("b")[..40],
        ] {
            fs::write(&path, broken)?;
            keys.read_again().await;
            assert!(has("a") && !has("b"), "{broken}");
        }
        fs::remove_file(&path)?;
        keys.read_again().await;
        assert!(has("a"));
        fs::write(&path, line("b"))?;
        keys.read_again().await;
        assert!(!has("a") && has("b"));
        Ok(())
    }

    #[test]
    fn secrets_are_equal_if_all_bytes_are() {
        assert!(equal(b"abc", b"abc"));
        for other in ["abd", "bbc", "ab", "abcd", ""] {
            assert!(!equal(b"abc", other.as_bytes()), "{other}");
        }
    }
}
