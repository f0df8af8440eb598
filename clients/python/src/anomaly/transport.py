"""What both clients need to know about the connection."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import httpx

from . import errors
from .calls import HEADERS
from .wire import Lost, Reply, Send

#: Nothing is gained by packing a reply that never leaves the machine.
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_URL = "http://localhost:8080"
#: A stream of events is silent for 15 seconds at most, so this is no lost one.
STREAM_TIMEOUT = 45.0


@dataclass(frozen=True)
class Settings:
    """Where the platform is, and how long it is waited for, in seconds."""

    url: str
    headers: dict[str, str] = field(repr=False)
    timeout: float

    @classmethod
    def of(cls, url: str | None, api_key: str | None, timeout: float) -> Settings:
        """With what is not given from ANOMALY_URL and ANOMALY_API_KEY."""
        url = (url or os.environ.get("ANOMALY_URL") or DEFAULT_URL).strip().rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"the address {url!r} does not begin with http:// or https://")
        key = (api_key or os.environ.get("ANOMALY_API_KEY") or "").strip()
        headers = dict(HEADERS)
        if key:
            headers["authorization"] = f"Bearer {key}"
        if httpx.URL(url).host in LOCAL:
            headers["accept-encoding"] = "identity"
        return cls(url, headers, timeout)

    def request(self, send: Send) -> dict[str, Any]:
        """The arguments of httpx's `build_request`."""
        read = max(self.timeout, STREAM_TIMEOUT) if send.streamed else self.timeout
        return {
            "method": send.method,
            "url": self.url + send.path,
            "params": send.params or None,
            "content": send.content,
            "headers": {**self.headers, **send.headers},
            "timeout": httpx.Timeout(self.timeout, read=read),
        }


def lost(error: httpx.RequestError) -> Lost:
    """A request that got no reply."""
    unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    kind = errors.TimedOut if isinstance(error, httpx.TimeoutException) else errors.NotConnected
    url = error.request.url
    where = f"{url.scheme}://{url.netloc.decode()}{url.path}"
    text = f"{error.request.method} {where}: {str(error) or type(error).__name__}"
    return Lost(kind(text), sent=not unsent)


def reply(response: httpx.Response, streamed: bool) -> Reply:
    """A reply that was read, or is still open if it is `streamed`."""
    content = b"" if streamed else response.content
    return Reply(response.status_code, response.headers, content, response if streamed else None)
