"""When a request is sent again, when not, and what is raised."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from conftest import Wire, hourly, problem, wave

import anomaly
from anomaly import (
    AnomalyError,
    BadRequest,
    Client,
    NotConnected,
    NotFound,
    RateLimited,
    Unavailable,
)
from anomaly.errors import BY_STATUS
from anomaly.wire import told_pause

Answer = Callable[[httpx.Request, int], Any]


def first_tries(path: str, *answers: Any) -> Answer:
    """Answers the first tries of a path."""

    def answer(request: httpx.Request, tries: int) -> Any:
        if request.url.path == path and tries < len(answers):
            return answers[tries]
        return None

    return answer


def lost() -> httpx.ReadError:
    """The platform has carried it out, and its reply is lost."""
    return httpx.ReadError("connection reset")


def test_a_prediction_is_sent_again_after_the_pause_that_was_asked_for(
    url: str, name: str, pauses: list[float]
) -> None:
    path = f"/predict/{name}"
    busy = problem(503, "overloaded", retry_after="2", retry_after_ms="1500")
    wire = Wire(first_tries(path, busy, lost()))
    with Client(url, timeout=60, transport=wire) as client:
        client.series(name).fit(range(100), wave(100))
        assert client.series(name).predict(101, 1000.0)
    assert wire.paths().count(path) == 3
    assert 1.5 <= pauses[0] <= 1.5 * 1.25 + 0.05 and 0.25 <= pauses[1] <= 0.5


def test_pauses_are_jittered(url: str, pauses: list[float]) -> None:
    busy = [problem(503, "overloaded", retry_after="1") for _ in range(20)]
    with Client(url, retries=20, transport=Wire(first_tries("/v1/silences", *busy))) as client:
        list(client.silences())
    assert len(set(pauses)) == 20 and min(pauses) >= 1.0


def test_a_fit_whose_reply_is_lost_makes_one_version(
    url: str, name: str, pauses: list[float]
) -> None:
    path = f"/fit/{name}"
    wire = Wire(first_tries(path, lost(), lost()))
    with Client(url, timeout=60, transport=wire) as client:
        model = client.series(name).fit(hourly())
        assert model.version == "v1" and client.series(name).info().models == 1
        client.series(name).fit(hourly())
    keys = [r.headers["idempotency-key"] for r in wire.requests if r.url.path == path]
    assert len(keys) == 4 and len(set(keys[:3])) == 1 and keys[3] != keys[0]


def test_a_promotion_whose_reply_is_lost_has_happened(
    url: str, name: str, pauses: list[float]
) -> None:
    path = f"/v1/series/{name}/aliases/champion"
    with Client(url, timeout=60, transport=Wire(first_tries(path, lost()))) as client:
        series = client.series(name)
        series.fit(hourly(100))
        series.fit(hourly(100))
        assert series.promote("v1").version == "v1"
        assert series.info().serving == "v1"


def test_a_rollback_whose_reply_is_lost_happens_once(
    url: str, name: str, pauses: list[float]
) -> None:
    path = f"/v1/series/{name}/rollback"
    with Client(url, timeout=60, transport=Wire(first_tries(path, lost()))) as client:
        series = client.series(name)
        for _ in range(2):
            series.fit(hourly(100))
        series.promote("v1")
        series.promote("v2")
        assert series.rollback().version == "v1"
        assert series.info().serving == "v1"


def test_a_deletion_whose_reply_is_lost_has_happened(
    url: str, name: str, pauses: list[float]
) -> None:
    path = f"/v1/series/{name}"
    with Client(url, timeout=60) as client:
        client.series(name).fit(hourly(100))

    def answer(request: httpx.Request, tries: int) -> Any:
        sent.append(request.method)
        return lost() if sent.count("DELETE") == 1 and request.method == "DELETE" else None

    sent: list[str] = []
    with Client(url, timeout=60, transport=Wire(answer)) as client:
        client.series(name).delete()
        with pytest.raises(NotFound):
            client.series(name).delete()
    assert path and sent.count("DELETE") >= 2


def test_what_cannot_be_repeated_is_not_sent_again_once_it_may_have_arrived(
    url: str, pauses: list[float]
) -> None:
    from datetime import datetime, timezone

    ends = datetime(2100, 1, 1, tzinfo=timezone.utc)
    unsent = httpx.ConnectError("refused")

    def answer(request: httpx.Request, tries: int) -> Any:
        if request.url.path == "/" and request.method == "GET":
            return None
        if tries == 0:
            raise unsent
        return lost()

    wire = Wire(answer)
    with Client(url, transport=wire) as client, pytest.raises(NotConnected):
        client.silence(("series", "=", "x"), ends_at=ends, comment="once")
    assert wire.paths() == ["/v1/silences"] * 2 and len(pauses) == 1
    with Client(url) as client:
        made = [s for s in client.silences() if s.comment == "once"]
        assert len(made) == 1
        client.end_silence(made[0].silence_id)


def test_a_refusal_that_stays_is_raised_at_once(url: str, name: str, pauses: list[float]) -> None:
    with Client(url) as client, pytest.raises(NotFound) as refused:
        client.series(name).predict(1, 2.0)
    error = refused.value
    assert (error.status, error.code, error.detail) == (404, "model_not_found", "Model not found")
    assert (
        error.request_id
        and str(error) == f"Model not found [model_not_found] (request {error.request_id})"
    )
    assert not pauses


def test_an_error_names_the_field(client: Client, name: str) -> None:
    with pytest.raises(BadRequest) as refused:
        client.series(name).fit(range(10), wave(10), false_alarm_rate=7)
    assert refused.value.errors[0].startswith("false_alarm_rate: 7 is not above 0")
    with pytest.raises(BadRequest, match=r"^Invalid request payload: train: 9 of 9 ") as twice:
        client.detect(range(9), wave(9), train=9)
    for error in (refused.value, twice.value):
        assert str(error).count(error.errors[0]) == 1 and "\n" not in str(error)
    again = pickle.loads(pickle.dumps(refused.value))
    assert type(again) is BadRequest and str(again) == str(refused.value)
    assert again.code == "invalid_payload"


def test_retries_end(url: str, pauses: list[float]) -> None:
    limited = [problem(429, "rate_limited", retry_after="3") for _ in range(9)]
    wire = Wire(first_tries("/v1/silences", *limited))
    with Client(url, retries=2, transport=wire) as client, pytest.raises(RateLimited) as refused:
        list(client.silences())
    assert len(wire.paths()) == 3 and refused.value.retry_after == 3.0


def test_a_very_long_pause_is_left_to_the_caller(url: str, pauses: list[float]) -> None:
    wire = Wire(first_tries("/v1/silences", problem(503, "unavailable", retry_after="3600")))
    with Client(url, transport=wire) as client, pytest.raises(Unavailable) as refused:
        list(client.silences())
    assert refused.value.retry_after == 3600.0 and not pauses


@pytest.mark.parametrize("status", sorted(BY_STATUS))
def test_every_status_has_a_class(url: str, status: int, pauses: list[float]) -> None:
    wire = Wire(first_tries("/v1/silences", *[problem(status, "some_code")] * 3))
    with Client(url, transport=wire) as client, pytest.raises(AnomalyError) as refused:
        list(client.silences())
    assert type(refused.value) is BY_STATUS[status] and refused.value.code == "some_code"


def test_something_else_that_answers_is_said_to(url: str) -> None:
    page = httpx.Response(404, content=b"<html>nginx</html>")
    wire = Wire(first_tries("/v1/silences", page, httpx.Response(200, content=b"<html>")))
    with Client(url, transport=wire) as client:
        with pytest.raises(NotFound, match="nginx"):
            list(client.silences())
        with pytest.raises(anomaly.BadReply, match="not the platform"):
            list(client.silences())


def test_nobody_there(pauses: list[float]) -> None:
    with Client("http://127.0.0.1:1/base") as client, pytest.raises(NotConnected) as lost:
        client.series("a").predict(1, 2.0)
    assert "http://127.0.0.1:1/base/predict/a" in str(lost.value) and len(pauses) == 2
    with pytest.raises(ValueError, match="http"):
        Client("localhost:8080")


def test_verdicts_that_break_off_are_an_error(url: str) -> None:
    def cut(request: httpx.Request, tries: int) -> Any:
        line = b'{"timestamp":1,"value":1.0,"anomaly":false}\n'
        return httpx.Response(200, content=line) if request.url.path == "/v1/detect" else None

    with Client(url, transport=Wire(cut)) as client, pytest.raises(NotConnected, match="broke off"):
        list(client.detect_stream(range(10), wave(10)))


def test_the_pause_that_is_told() -> None:
    assert told_pause({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert told_pause({"retry-after": "9"}) == 9.0
    assert told_pause({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) is None
    assert told_pause({"retry-after": "nan"}) is None
