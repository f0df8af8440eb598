//! Who may do what: API keys with scopes, each for the series of its prefixes, and how much each
//! caller may use.
//!
//! Every call of the table is checked here and nowhere else. The fast path asks the same questions
//! with [`Access::admit_fast`], and leaves refusals to the routes, which word them.

mod audit;
mod budget;
mod config;
mod cookie;
mod credential;
mod keyring;
mod metered;

use std::{
    borrow::Cow, convert::Infallible, future::pending, net::IpAddr, sync::Arc, time::Instant,
};

use axum::{extract::Request, response::Response};
use contract::{
    Endpoint, ProblemCode,
    endpoint::{Class, Scope, Subject},
};
use http::{HeaderMap, HeaderValue, Uri};
use http_server::{Fallible, FastRequest, ProblemReply, Query, RequestContext};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use service::series::decode_series_text;

use audit::{Asked, Change};
use budget::{Addresses, Spent, now};
pub(crate) use budget::{Budget, Working};
pub use config::AccessSettings;
pub(crate) use cookie::cookie;
use credential::Credential;
use keyring::{Key, KeyFile};

use crate::proxy::client_of;

/// The access to the API.
pub(crate) struct Access {
    /// `None`: everyone may do everything.
    keys: Option<KeyFile>,
    /// What each address may use, where there are no keys. `None`: no limit.
    addresses: Option<Addresses>,
    /// Whether changes and refusals are logged.
    is_audited: bool,
}

/// Who makes a request that was let in.
pub(crate) struct Caller {
    key: Option<Arc<Key>>,
    budget: Option<Arc<Budget>>,
    /// The line in the audit log, if it is a change.
    change: Option<Change>,
}

/// The series that somebody may see.
#[derive(Default)]
pub(crate) struct Sight(Option<Arc<Key>>);

impl Sight {
    /// Whether `series` is one of them.
    pub(crate) fn includes(&self, series: &str) -> bool {
        self.0.as_ref().is_none_or(|key| key.is_for(series))
    }

    /// Whether all are.
    pub(crate) fn is_all(&self) -> bool {
        self.0.as_ref().is_none_or(|key| key.prefixes().is_none())
    }
}

/// Why a request is refused.
enum Denied {
    /// It has no key.
    NoKey,
    /// It has several keys.
    SeveralKeys,
    /// Its key is not valid.
    UnknownKey,
    /// Its key is in a cookie, it changes something, and it does not come from our page.
    ForeignPage,
    /// Its key lacks this scope.
    Scope(Scope),
    /// Its key is only for series that begin with one of these.
    Series(Vec<String>),
    /// The caller has used this up.
    Spent(Spent),
}

impl Access {
    /// Reads the keys that `settings` name.
    ///
    /// # Errors
    /// When the file cannot be read, or a line of it is not valid.
    pub(crate) async fn open(settings: &AccessSettings) -> anyhow::Result<Self> {
        let limits = settings.limits();
        let keys = match settings.keys_file() {
            Some(path) => Some(KeyFile::open(path.to_owned(), limits).await?),
            None => None,
        };
        Ok(Self {
            addresses: Addresses::new(limits).filter(|_| keys.is_none()),
            keys,
            is_audited: settings.audit_log,
        })
    }

    /// Lets `request` for `endpoint` in.
    ///
    /// # Errors
    /// 401 without a valid key, 403 if the key is not for this call or this series, 429 if the
    /// caller has used what it may, and 400 if the series in the path is none.
    pub(crate) fn admit(&self, endpoint: &'static Endpoint, request: &Request) -> Fallible<Caller> {
        let subject = Named::of(endpoint, request.uri());
        let key = match &self.keys {
            Some(keys) => key_of(keys, endpoint, request, &subject),
            None => Ok(None),
        };
        let key = key.map_err(|denied| self.refuse(denied, endpoint, request, &subject))?;
        let series = subject.0?;
        let budget = match &key {
            Some(key) => key.budget.clone(),
            None => self.budget_of(client_of(request)),
        };
        if let Some(budget) = &budget {
            let works = endpoint.class != Class::Predict;
            let admitted = budget.admit(works, now(Instant::now()));
            admitted.map_err(|spent| ProblemReply::from(Denied::Spent(spent)))?;
        }
        let mut caller = Caller {
            key,
            budget,
            change: None,
        };
        if self.is_audited && endpoint.is_audited() {
            let asked = asked(endpoint, request, series.as_deref());
            caller.change = Some(Change::begun(asked, &caller));
        }
        Ok(caller)
    }

    /// The reply to a request without the right to be answered, which is logged.
    fn refuse(
        &self,
        (denied, key): (Denied, Option<Arc<Key>>),
        endpoint: &'static Endpoint,
        request: &Request,
        subject: &Named<'_>,
    ) -> ProblemReply {
        let reply = ProblemReply::from(denied);
        if self.is_audited {
            let key = key.as_ref().map_or("-", |key| key.id.as_str());
            let asked = asked(endpoint, request, subject.series());
            asked.refused(key, reply.status.as_u16(), &reply.detail);
        }
        reply
    }

    /// Whether `request` for a prediction of `series`, which is decoded and arrived at `at`, may be
    /// answered.
    pub(crate) fn admit_fast(
        &self,
        request: &FastRequest<'_>,
        endpoint: &Endpoint,
        series: &str,
        at: Instant,
    ) -> bool {
        let admit = |budget: &Budget| {
            let now = now(at);
            let is_let_in = budget.admit(false, now).is_ok();
            if is_let_in {
                budget.take_bytes(request.body.len(), now);
            }
            is_let_in
        };
        match &self.keys {
            Some(keys) => {
                let checked = find(keys, Credential::of(lines_of(request)), |key| {
                    key.has(endpoint.scope)
                        && key.is_for(series)
                        && key.budget.as_deref().is_none_or(admit)
                });
                checked.is_ok_and(|is_let_in| is_let_in)
            }
            None => self.budget_of(request.client).as_deref().is_none_or(admit),
        }
    }

    /// Undoes [`Self::admit_fast`] for a `request` that the routes admit once more.
    pub(crate) fn give_back(&self, request: &FastRequest<'_>) {
        let give_back = |budget: Option<&Budget>| {
            if let Some(budget) = budget {
                budget.give_back(request.body.len());
            }
        };
        match &self.keys {
            Some(keys) => {
                let credential = Credential::of(lines_of(request));
                // Without a key it was not let in.
                _ = find(keys, credential, |key| give_back(key.budget.as_deref()));
            }
            None => give_back(self.budget_of(request.client).as_deref()),
        }
    }

    fn budget_of(&self, client: Option<IpAddr>) -> Option<Arc<Budget>> {
        self.addresses.as_ref()?.of(client?)
    }

    /// Whether callers need a key.
    pub(crate) fn has_keys(&self) -> bool {
        self.keys.is_some()
    }

    /// Follows changes of the keys, for ever.
    pub(crate) async fn watch(&self) -> Infallible {
        match &self.keys {
            Some(keys) => keys.watch().await,
            None => pending().await,
        }
    }
}

impl Caller {
    /// Whether the caller has `scope`. Without keys everyone has.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.key.as_ref().is_none_or(|key| key.has(scope))
    }

    /// Whether the caller may see `series`.
    pub(crate) fn may_see(&self, series: &str) -> bool {
        self.key.as_ref().is_none_or(|key| key.is_for(series))
    }

    /// The series that the caller may see, for as long as a reply goes on.
    pub(crate) fn sight(&self) -> Sight {
        Sight(self.key.clone())
    }

    /// The only beginnings of series that the caller may see, as a header. `None`: all.
    pub(crate) fn prefixes(&self) -> Option<HeaderValue> {
        let prefixes = self.key.as_ref()?.prefixes()?.iter();
        let encoded = prefixes.map(|prefix| utf8_percent_encode(prefix, NON_ALPHANUMERIC));
        let encoded: Vec<_> = encoded.map(|prefix| prefix.to_string()).collect();
        let value = HeaderValue::try_from(encoded.join(","));
        Some(value.expect("percent-encoded text is ASCII"))
    }

    /// `request`, whose body counts against what the caller may use.
    pub(crate) fn metered(&self, request: Request) -> Request {
        match self.budget.as_ref().filter(|budget| budget.has_bytes()) {
            Some(budget) => request.map(|body| metered::body(body, Arc::clone(budget))),
            None => request,
        }
    }

    /// Counts the time from now until the result is dropped against what the caller may use.
    pub(crate) fn works(&self) -> Option<Working> {
        Working::of(self.budget.as_ref()?)
    }

    /// The reply to the request, for the audit log.
    pub(crate) fn answered(self, response: &Response) {
        if let Some(change) = self.change {
            change.answered(response);
        }
    }
}

impl Key {
    /// Whether the key has `scope` and is for `series`, if there is one.
    fn check(&self, scope: Scope, series: Option<&str>) -> Result<(), Denied> {
        if !self.has(scope) {
            return Err(Denied::Scope(scope));
        }
        match series.is_none_or(|series| self.is_for(series)) {
            true => Ok(()),
            false => Err(Denied::Series(self.prefixes().unwrap_or_default().to_vec())),
        }
    }
}

/// The one series that a request is about, if it is about one. An error is that of the path.
pub(crate) struct Named<'a>(Fallible<Option<Cow<'a, str>>>);

impl<'a> Named<'a> {
    pub(crate) fn of(endpoint: &Endpoint, uri: &'a Uri) -> Self {
        Self(match endpoint.subject {
            Subject::Path => {
                let series = endpoint.series_in(uri.path()).unwrap_or_default();
                decode_series_text(series).map(Some)
            }
            Subject::Query => {
                // The trainer reads the query likewise. Without one series in it, it says so.
                let query = Query::parse(uri.query().unwrap_or_default());
                let series = query.get("series_id").ok().flatten();
                Ok(series.map(|series| Cow::Owned(series.to_owned())))
            }
            Subject::All | Subject::None => Ok(None),
        })
    }

    pub(crate) fn series(&self) -> Option<&str> {
        self.0.as_ref().ok()?.as_deref()
    }
}

/// Why a request is refused, and its key if that is valid.
type Refused = (Denied, Option<Arc<Key>>);

/// The key of `request`, if it may be used.
fn key_of(
    keys: &KeyFile,
    endpoint: &Endpoint,
    request: &Request,
    subject: &Named<'_>,
) -> Result<Option<Arc<Key>>, Refused> {
    let headers = request.headers();
    let mut credential = Credential::of(lines(headers));
    let secret = match credential {
        Credential::None => cookie::secret(headers),
        _ => None,
    };
    if let Some(secret) = &secret {
        credential = Credential::One(secret.as_bytes());
    }
    let key = find(keys, credential, Arc::clone).map_err(|denied| (denied, None))?;
    if secret.is_some() && !cookie::may_be_used(endpoint, headers) {
        return Err((Denied::ForeignPage, Some(key)));
    }
    match key.check(endpoint.scope, subject.series()) {
        Ok(()) => Ok(Some(key)),
        Err(denied) => Err((denied, Some(key))),
    }
}

/// The secret of a request, wherever it is.
pub(crate) fn secret_of(headers: &HeaderMap) -> Option<String> {
    match Credential::of(lines(headers)) {
        Credential::One(secret) => Some(String::from_utf8_lossy(secret).into_owned()),
        _ => cookie::secret(headers),
    }
}

/// What `then` makes of the key of a request, if that is valid.
fn find<T>(
    keys: &KeyFile,
    credential: Credential<'_>,
    then: impl FnOnce(&Arc<Key>) -> T,
) -> Result<T, Denied> {
    match credential {
        Credential::One(secret) => keys.find(secret, then).ok_or(Denied::UnknownKey),
        Credential::None => Err(Denied::NoKey),
        Credential::Several => Err(Denied::SeveralKeys),
    }
}

fn lines_of<'a>(request: &FastRequest<'a>) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let lines = request.headers.iter();
    lines.map(|line| (line.name, line.value))
}

fn lines(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    let lines = headers.iter();
    lines.map(|(name, value)| (name.as_str(), value.as_bytes()))
}

fn asked(endpoint: &'static Endpoint, request: &Request, series: Option<&str>) -> Asked {
    let context = request.extensions().get::<RequestContext>();
    let id = context.and_then(|context| context.request_id.to_str().ok());
    let path = request.uri().path();
    Asked::of(
        endpoint,
        path,
        series,
        client_of(request),
        id.unwrap_or_default(),
    )
}

impl From<Denied> for ProblemReply {
    fn from(denied: Denied) -> Self {
        let unauthorized = |detail| Self::new(ProblemCode::Unauthorized, detail);
        let forbidden = |detail| Self::new(ProblemCode::Forbidden, detail);
        match denied {
            Denied::NoKey => {
                unauthorized("An API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY")
            }
            Denied::SeveralKeys => unauthorized("The request has more than one API key"),
            Denied::UnknownKey => unauthorized("The API key is not valid, or not any more"),
            Denied::ForeignPage => forbidden(
                "A change with a key in a cookie needs Sec-Fetch-Site: same-origin".to_owned(),
            ),
            Denied::Scope(scope) => forbidden(format!("The API key lacks the scope {scope}")),
            Denied::Series(prefixes) => {
                let prefixes = prefixes.join(", ");
                forbidden(format!(
                    "The API key is only for series that begin with: {prefixes}"
                ))
            }
            Denied::Spent(Spent { what, again_in }) => {
                let detail = format!("This caller has used the {what} that it may for now");
                Self::new(ProblemCode::RateLimited, detail).retry_after(again_in)
            }
        }
    }
}
