"""Requests, replies, and when to ask again: all of it without a connection.

A call is a generator. It yields what is to be done, a `Send` or a `Sleep`, is sent what became of
it, and returns its result. `Client` and `AsyncClient` are the two that carry it out.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from . import errors

T = TypeVar("T")

#: Bodies from this length on are packed, in bytes.
GZIP_FROM = 8 * 1024
#: Statuses after which the same request may succeed.
RETRIED = frozenset({408, 429, 502, 503, 504})
#: The first and the longest pause where the platform names none, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
#: A platform that asks for a longer pause than this is not waited for, in seconds.
PATIENCE = 60.0


@dataclass(frozen=True)
class Request:
    """A request. `repeatable` means that carrying it out twice does no harm."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    streamed: bool = False


@dataclass(frozen=True)
class Send:
    """A request as it goes out. Answered with a `Reply`, or by throwing a `Lost`."""

    method: str
    path: str
    params: Mapping[str, str]
    content: bytes | None
    headers: Mapping[str, str]
    streamed: bool


@dataclass(frozen=True)
class Sleep:
    """A pause, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Reply:
    """A reply. `source` is the open reply where a stream was asked for and granted."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    source: Any = None
    #: Whether an earlier try of the request may have been carried out.
    repeated: bool = False

    def json(self) -> Any:
        """The body. Raises BadReply if it is not JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            start = self.content[:100].decode(errors="replace")
            raise errors.BadReply(
                f"this is not the platform: {start!r}", status=self.status
            ) from None


class Lost(Exception):
    """There was no reply. `sent` says whether the request may have arrived."""

    def __init__(self, error: errors.NotConnected, sent: bool) -> None:
        super().__init__(error.detail)
        self.error = error
        self.sent = sent


Call: TypeAlias = Generator[Send | Sleep, Any, T]


def path(template: str, **names: str) -> str:
    """A path with ids in it, percent-encoded."""
    return template.format(**{name: quote(value, safe="") for name, value in names.items()})


def pack(request: Request) -> Send:
    """The request as it goes out. All tries of it are the same bytes."""
    headers = dict(request.headers)
    content: bytes | None = None
    if isinstance(request.body, bytes):
        content = request.body
    elif request.body is not None:
        content = json.dumps(request.body, separators=(",", ":"), allow_nan=False).encode()
        headers["content-type"] = "application/json"
    if content is not None and len(content) >= GZIP_FROM:
        content = gzip.compress(content, compresslevel=1, mtime=0)
        headers["content-encoding"] = "gzip"
    return Send(request.method, request.path, request.params, content, headers, request.streamed)


def perform(request: Request, retries: int) -> Call[Reply]:
    """Sends a request, again if that may help and does no harm. Raises AnomalyError."""
    send = pack(request)
    maybe_done = False
    for left in range(retries, -1, -1):
        try:
            reply: Reply = yield send
        except Lost as lost:
            maybe_done = maybe_done or lost.sent
            if left == 0 or (lost.sent and not request.repeatable):
                raise lost.error from lost.__cause__
            yield Sleep(pause(retries - left, None))
            continue
        if reply.status < 400:
            return replace(reply, repeated=maybe_done)
        wait = told_pause(reply.headers)
        error = errors.of_reply(reply.status, reply.headers, reply.content, wait)
        # 429 is said before anything is done; of a 503 that is not certain.
        refused = reply.status == 429
        again = reply.status in RETRIED or error.code == "idempotency_key_in_use"
        if left == 0 or not again or not (request.repeatable or refused):
            error.repeated = maybe_done
            raise error
        if wait is not None and wait > PATIENCE:
            raise error
        maybe_done = maybe_done or not refused
        yield Sleep(pause(retries - left, wait))
    raise AssertionError("the last try returns or raises")


def told_pause(headers: Mapping[str, str]) -> float | None:
    """The pause that a reply asks for, in seconds: retry-after-ms, then Retry-After."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / per_second
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    return None


def pause(tries: int, told: float | None) -> float:
    """The pause after `tries` failed tries more than one, with jitter: never less than was told."""
    if told is not None:
        return told * random.uniform(1.0, 1.25) + random.uniform(0.0, 0.05)
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**tries) * random.uniform(0.5, 1.0)
