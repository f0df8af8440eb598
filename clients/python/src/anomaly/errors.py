"""Everything that can go wrong in a call, as exceptions below `AnomalyError`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class AnomalyError(Exception):
    """A call failed. The text is one line that says what, and where in the request.

    `status` is that of the reply, 0 if there was none. `code` is a stable word for programs,
    `detail` a sentence for people, `errors` says where exactly the request is wrong, and
    `request_id` finds the request in the logs of the platform. `retry_after` is the number of
    seconds after which to try again, if the platform has said so. `repeated` says whether an
    earlier try of the same call got no reply, and so may have been carried out.
    """

    repeated = False

    def __init__(
        self,
        detail: str,
        *,
        status: int = 0,
        code: str = "",
        errors: tuple[str, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.detail = detail
        self.status = status
        self.code = code
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after
        super().__init__(self._text())

    def _text(self) -> str:
        text = "; ".join([self.detail, *(e for e in self.errors if e not in self.detail)])
        if self.code:
            text += f" [{self.code}]"
        if self.request_id:
            text += f" (request {self.request_id})"
        return " ".join(text.split())

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.__dict__)


class InvalidData(AnomalyError, ValueError):
    """The data cannot be sent: the text names the field and the row. Nothing was sent."""


class NotConnected(AnomalyError):
    """No reply: the platform cannot be reached, or the connection was lost."""


class TimedOut(NotConnected):
    """No reply in time."""


class BadReply(AnomalyError):
    """The reply is not one of the platform: mostly a proxy or another service answers."""


class BadRequest(AnomalyError):
    """400: the request is wrong; `errors` says where."""


class Unauthorized(AnomalyError):
    """401: there is no API key, or it is not valid."""


class Forbidden(AnomalyError):
    """403: the API key lacks a scope, or is not for this series."""


class NotFound(AnomalyError):
    """404: there is no such series, model, alias, anomaly or silence."""


class MethodNotAllowed(AnomalyError):
    """405: there is no such call. A newer client than the platform, perhaps."""


class RequestTimeout(AnomalyError):
    """408: the request did not arrive in time."""


class Conflict(AnomalyError):
    """409: the state of the series does not allow this now."""


class PreconditionFailed(AnomalyError):
    """412: somebody else has changed the series since this client saw it, and nothing was done.

    Look at it again with `info()`; the next call then is about what you saw.
    """


class PayloadTooLarge(AnomalyError):
    """413: the body is over a limit of the platform."""


class UriTooLong(AnomalyError):
    """414: the address with its parameters is too long."""


class UnsupportedMediaType(AnomalyError):
    """415: the body is packed in a way that the platform does not take."""


class UnprocessableEntity(AnomalyError):
    """422: another request had the same idempotency key."""


class RateLimited(AnomalyError):
    """429: the API key has used what it may for now."""


class HeadersTooLarge(AnomalyError):
    """431: the headers are too long."""


class InternalError(AnomalyError):
    """500: a fault of the platform."""


class BadGateway(AnomalyError):
    """502: something between here and the platform got no valid answer."""


class Unavailable(AnomalyError):
    """503: overloaded, starting or stopping, or a part of the platform is away."""


class GatewayTimeout(AnomalyError):
    """504: something between here and the platform got no answer in time."""


class InsufficientStorage(AnomalyError):
    """507: the disk is full, or as much is stored as may be."""


BY_STATUS: Mapping[int, type[AnomalyError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    408: RequestTimeout,
    409: Conflict,
    412: PreconditionFailed,
    413: PayloadTooLarge,
    414: UriTooLong,
    415: UnsupportedMediaType,
    422: UnprocessableEntity,
    429: RateLimited,
    431: HeadersTooLarge,
    500: InternalError,
    502: BadGateway,
    503: Unavailable,
    504: GatewayTimeout,
    507: InsufficientStorage,
}


def of_reply(
    status: int, headers: Mapping[str, str], content: bytes, retry_after: float | None
) -> AnomalyError:
    """The exception for a reply that is no success."""
    try:
        problem = json.loads(content)
    except ValueError:
        problem = None
    if not isinstance(problem, dict) or "detail" not in problem:
        start = content[:100].decode(errors="replace").strip()
        problem = {"detail": f"status {status} from something else than the platform: {start!r}"}
    kind = BY_STATUS.get(status, AnomalyError)
    return kind(
        str(problem["detail"]),
        status=status,
        code=str(problem.get("code", "")),
        errors=tuple(str(fault.get("detail")) for fault in problem.get("errors", ())),
        request_id=problem.get("request_id") or headers.get("x-request-id"),
        retry_after=retry_after,
    )


def _restored(kind: type[AnomalyError], members: dict[str, Any]) -> AnomalyError:
    """The exception as it was before it was pickled, as process pools do."""
    error = kind(members["detail"])
    error.__dict__.update(members)
    error.args = (error._text(),)
    return error
