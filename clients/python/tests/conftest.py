"""A real platform for all tests: STANDALONE says where its program is."""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from anomaly import Client

ROOT = Path(__file__).parents[3]
STANDALONE = os.environ.get("STANDALONE", str(ROOT / "target" / "debug" / "standalone"))


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """The address of a platform with nothing in it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"APP_PORT": "0", "ADMIN_PORT": "0", "DATA_DIR": folder, "LOG_FORMAT": "json"}
        process = subprocess.Popen(
            [STANDALONE], env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout is not None
        log = []
        for line in process.stdout:
            log.append(line)
            found = re.search(r'"addr":"127\.0\.0\.1:(\d+)"', line)
            if found and "listening" in line:
                break
        else:
            raise AssertionError("".join(log))
        try:
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.terminate()
            process.communicate()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A client of it. The debug build takes its time."""
    with Client(url, timeout=60) as client:
        yield client


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A series that no other test has."""
    return str(request.node.nodeid).rpartition("::")[2].replace("/", "_")[:200]


def wave(n: int = 800, odd: tuple[int, ...] = ()) -> list[float]:
    """A rhythm of 24 points, with noise and outliers."""
    noise = random.Random(3)
    rhythm = [20 + 5 * math.sin(2 * math.pi * i / 24) + noise.gauss(0, 0.5) for i in range(n)]
    return [value + (40 if i in odd else 0) for i, value in enumerate(rhythm)]


def hourly(n: int = 800, odd: tuple[int, ...] = (), tz: str | None = "UTC") -> pd.Series[float]:
    """The same, hour by hour."""
    index = pd.date_range("2024-03-01", periods=n, freq="h", tz=tz)
    return pd.Series(wave(n, odd), index=index, name="temp")


class Wire(httpx.BaseTransport):
    """A real connection that keeps what was sent, and does to replies what a test says."""

    def __init__(self, answer: Callable[[httpx.Request, int], Any] | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self._real = httpx.HTTPTransport()
        self._answer = answer

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        tries = sum(1 for r in self.requests if r.url.path == request.url.path) - 1
        instead = self._answer(request, tries) if self._answer else None
        if isinstance(instead, httpx.Response):
            return instead
        response = self._real.handle_request(request)
        if isinstance(instead, Exception):  # the reply is lost: the platform has done it
            response.read()
            raise instead
        return response

    def close(self) -> None:
        self._real.close()

    def paths(self) -> list[str]:
        """What was asked for, without the look at the version."""
        return [r.url.path for r in self.requests if r.url.path != "/"]


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    """A refusal as the platform sends it."""
    body = {"status": status, "code": code, "detail": code.replace("_", " ")}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=json.dumps(body), headers=named)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which are not waited for."""
    found: list[float] = []
    monkeypatch.setattr("anomaly._sync.client.clock.sleep", found.append)
    return found
