//! The circumstances of a request that its work has to know.

use bus::TraceParent;
use http_server::RequestContext;
use store::Precondition;

use crate::once::Once;

/// The condition of a change, the trace that it belongs to, and the key of its request.
#[derive(Debug)]
pub(crate) struct ChangeContext {
    pub(crate) when: Precondition,
    pub(crate) trace: TraceParent,
    pub(crate) once: Option<Once>,
}

/// The trace that a request belongs to.
pub(crate) fn trace(context: Option<&RequestContext>) -> TraceParent {
    context?.trace()
}
