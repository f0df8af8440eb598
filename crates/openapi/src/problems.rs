//! Which problems a call may be answered with.

use std::collections::{BTreeMap, BTreeSet};

use contract::{
    Endpoint, EndpointName, ProblemCode as Code,
    endpoint::{Body, Class, Owner, Subject},
};

use crate::calls::Call;

/// Problems of any call that needs a key where there are keys.
const ALL: [Code; 11] = [
    Code::BadRequest,
    Code::MalformedRequest,
    Code::InvalidParameter,
    Code::Unauthorized,
    Code::Forbidden,
    Code::RequestTimeout,
    Code::UriTooLong,
    Code::RateLimited,
    Code::HeadersTooLarge,
    Code::InternalError,
    Code::Unavailable,
];

/// Problems of calls with a body.
const BODY: [Code; 6] = [
    Code::BodyIncomplete,
    Code::InvalidPayload,
    Code::InvalidEncoding,
    Code::BodyTimeout,
    Code::BodyTooLarge,
    Code::UnsupportedEncoding,
];

/// Problems of calls that a service behind the gateway answers.
const FORWARDED: [Code; 5] = [
    Code::BadGateway,
    Code::BackendUnavailable,
    Code::Overloaded,
    Code::UpstreamTimeout,
    Code::UpstreamUnavailable,
];

/// The problems of `call`, by status. `endpoint` is its row in the table, if it has one.
pub(crate) fn of(call: &Call, endpoint: Option<&Endpoint>) -> BTreeMap<u16, Vec<Code>> {
    let mut codes: Vec<Code> = call.codes.to_vec();
    if let Some(endpoint) = endpoint {
        codes.extend(of_row(endpoint));
    }
    let wanted: BTreeSet<&str> = codes.iter().map(|code| code.as_str()).collect();
    let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
    for code in Code::ALL
        .iter()
        .filter(|code| wanted.contains(code.as_str()))
    {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status
}

fn of_row(endpoint: &Endpoint) -> Vec<Code> {
    let mut codes = ALL.to_vec();
    if endpoint.body != Body::Empty {
        codes.extend(BODY);
    }
    if endpoint.owner != Owner::Gateway {
        codes.extend(FORWARDED);
    } else {
        codes.extend([
            Code::Overloaded,
            Code::UpstreamTimeout,
            Code::UpstreamUnavailable,
        ]);
    }
    if matches!(endpoint.subject, Subject::Path | Subject::Query) {
        codes.push(Code::InvalidSeriesId);
    }
    if endpoint.path.contains("{version}") && endpoint.name != EndpointName::AzureDetect {
        codes.push(Code::InvalidVersion);
    }
    if endpoint.path.contains("{alias}") {
        codes.push(Code::InvalidAlias);
    }
    if is_conditional(endpoint) {
        codes.extend([Code::InvalidHeader, Code::RevisionMismatch]);
    }
    codes
}

/// Whether the call takes `If-Match`: those of the registry about one series do.
pub(crate) fn is_conditional(endpoint: &Endpoint) -> bool {
    endpoint.owner == Owner::Trainer
        && endpoint.subject == Subject::Path
        && (endpoint.class == Class::Registry || endpoint.name == EndpointName::ImportModel)
}
