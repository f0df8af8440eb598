"""Fitting, predicting, observing and the registry, over a real connection."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Wire, hourly, wave
from test_units import sent

import anomaly
from anomaly import (
    Client,
    Conflict,
    Detection,
    InvalidData,
    NotFound,
    Picture,
    PreconditionFailed,
    Verdict,
    VersionWarning,
    axes,
)

ROOT = Path(__file__).parents[1]


def test_fit_and_predict(client: Client, name: str) -> None:
    series = client.series(name)
    holes = hourly()
    holes.iloc[5] = float("nan")
    model = series.fit(holes, detector="robust", false_alarm_rate=0.01)
    assert (model.version, model.serving, model.points_used) == ("v1", "v1", 799)
    assert model.detector == "robust"
    assert model.warnings[0] == "1 row has no value (NaN) and was left out"
    verdict = series.predict("2024-05-01T00:00:00Z", 70.0)
    assert verdict and verdict.anomaly and verdict.direction == "above"
    assert verdict.model_version == "v1" and verdict.severity == "critical"
    assert not series.predict("2024-05-01T00:00:00Z", 70.0, direction="below")
    assert repr(verdict) == f"<Verdict critical anomaly: {verdict.reason}>"
    with pytest.raises(AttributeError):
        verdict.anomaly = False  # type: ignore[misc]


def test_a_context_shows_what_a_point_alone_does_not(client: Client, name: str) -> None:
    series = client.series(name)
    temp = hourly(odd=(799,))
    series.fit(temp.iloc[:700])
    alone = series.predict(temp.index[-1], temp.iloc[-1])
    told = series.predict(temp.index[-1], temp.iloc[-1], context=temp.iloc[700:-1])
    assert alone and told and alone.p_value != told.p_value


def test_several_columns(client: Client, name: str) -> None:
    series = client.series(name)
    df = pd.DataFrame({"cpu": wave(), "latency": [3 * v for v in wave()]}, index=hourly().index)
    assert series.fit(df).columns == ("cpu", "latency")
    verdict = series.predict(df.index[-1], {"cpu": 20.0, "latency": 20.0})
    assert verdict and verdict.contributions and verdict.columns
    assert sum(verdict.contributions.values()) == pytest.approx(1.0)
    out = series.predict_many(df.tail(5))
    assert out["cpu.expected"].notna().all()


@pytest.mark.parametrize("rows", [2_500, 999, 1_000, 2_001])
def test_a_split_batch_judges_as_a_whole_one(
    url: str, name: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = hourly(rows, odd=(900,))
    wire = Wire()
    with Client(url, timeout=60, transport=wire) as client:
        series = client.series(name)
        series.fit(hourly())
        whole = series.predict_many(temp)
        wire.requests.clear()
        monkeypatch.setattr("anomaly.calls.BATCH", 1000)
        split = series.predict_many(temp)
    pd.testing.assert_frame_equal(split, whole, check_exact=True)
    bodies = [sent(request) for request in wire.requests]
    assert [len(body["values"]) for body in bodies] == [
        min(1000, rows - start) for start in range(0, rows, 1000)
    ]
    for number, body in enumerate(bodies[1:], start=1):
        context = body["context"]["values"]
        end = 1000 * number
        assert context == temp.iloc[max(0, end - 2048) : end].tolist()
        assert body["version"] == "v1"
    assert split.detection.anomalies == split.anomaly.sum() > 0


def test_versions_are_promoted_and_rolled_back(client: Client, name: str) -> None:
    series = client.series(name)
    for _ in range(3):
        series.fit(hourly(100))
    assert [model.version for model in series.models()] == ["v3", "v2", "v1"]
    assert series.promote("v1").version == "v1"
    assert series.predict(hourly().index[0], 20.0).model_version == "v1"
    assert series.promote("v2").previous == "v1"
    assert series.rollback().version == "v1"
    info = series.info()
    assert (info.serving, info.newest, info.models) == ("v1", "v3", 3)
    assert [(alias.name, alias.version) for alias in info.aliases] == [("champion", "v1")]
    with pytest.raises(Conflict) as refused:
        series.delete_model("v1")
    assert refused.value.code == "model_in_use"
    series.unpin()
    assert series.info().serving == "v3"
    assert series.fit(hourly(100)).serving == "v4"
    assert series.model("v1").first_timestamp == hourly().index[0].value // 10**9
    assert series.import_model(series.export_model("v1")) == "v5"
    series.delete_model("v1")
    series.delete()
    with pytest.raises(NotFound):
        series.info()


def test_nobody_overwrites_what_somebody_else_has_changed(url: str, name: str) -> None:
    with Client(url, timeout=60) as mine, Client(url, timeout=60) as theirs:
        ours = mine.series(name)
        ours.fit(hourly(100))
        ours.fit(hourly(100))
        theirs.series(name).promote("v1")
        with pytest.raises(PreconditionFailed, match="revision"):
            ours.promote("v2")
        with pytest.raises(PreconditionFailed):
            ours.rollback()
        assert theirs.series(name).info().serving == "v1"
        ours.info()
        assert ours.promote("v2").version == "v2"


def test_lists_page_by_themselves(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    with Client(url, timeout=60, transport=wire) as client:
        for number in range(5):
            client.series(f"{name}-{number}").fit(range(10), wave(10))
        monkeypatch.setattr("anomaly._sync.client.PAGE", 2)
        found = [info.series_id for info in client.list_series(prefix=name)]
    assert found == [f"{name}-{number}" for number in range(5)]
    assert wire.paths().count("/v1/series") == 3


def test_observing(client: Client, name: str) -> None:
    series = client.series(name)
    temp = hourly()
    series.fit(temp)
    start = temp.index[-1]
    first = series.observe(start + timedelta(hours=1), 70.0)
    assert first and first.status == "judged" and first.time == start + timedelta(hours=1)
    assert series.observe(start + timedelta(hours=1), 70.0).status == "duplicate"
    more = pd.Series(
        [20.0, 21.0, 22.0], index=pd.date_range(start, periods=3, freq="h"), name="temp"
    )
    out = series.observe_many(more.iloc[::-1])
    assert out["status"].tolist() == ["judged", "conflict", "late"]
    assert out.index.equals(more.index[::-1])
    assert out.detection.counts == {"judged": 1, "conflict": 1, "late": 1}
    stream = series.stream()
    assert (stream.state, stream.begun_from, stream.unit) == ("ready", "v1", "s")
    series.set_stream(labels={"team": "core"}, budget={"alarms": 3, "per": "week"})
    assert series.stream().labels == {"team": "core"}
    series.restart_stream("nothing", rewind=True)
    series.end_stream()


def test_many_observations_go_in_parts(
    url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anomaly.calls.OBSERVED", 100)
    wire = Wire()
    with Client(url, timeout=60, transport=wire) as client:
        found = client.series(name).observe_many(range(250), wave(250), wait_ms=10_000)
    assert isinstance(found, Detection) and len(found) == 250
    assert wire.paths().count(f"/observe/{name}") == 3
    assert found.counts == {"learning": 2, "judged": 248}


def test_anomalies_silences_and_events(client: Client, name: str) -> None:
    series = client.series(name)
    temp = hourly()
    series.fit(temp)
    series.observe_many(pd.Series([20.0] + [70.0] * 5, pd.date_range(temp.index[-1], periods=6, freq="h") + pd.Timedelta("1h")))  # fmt: skip
    event = next(event for event in client.events(name) if event.event == "rows")
    assert event.data[0]["series_id"] == name
    anomalies: list[anomaly.Anomaly] = []
    deadline = datetime.now() + timedelta(seconds=30)
    while not anomalies and datetime.now() < deadline:
        anomalies = list(series.anomalies())
    found = anomalies[0]
    assert found.start == temp.index[-1] + pd.Timedelta("2h") or found.start > temp.index[-1]
    assert client.anomaly(found.anomaly_id).series_id == name
    dismissed = client.dismiss(found.anomaly_id, "a test")
    assert dismissed.feedback and dismissed.feedback["verdict"] == "dismissed"
    client.remove_feedback(found.anomaly_id)
    assert client.anomaly(found.anomaly_id).feedback is None
    ends = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(hours=1)
    silence = client.silence(("series", "=", name), ends_at=ends, comment="moving")
    assert silence.ends_at == ends
    assert silence in list(client.silences())
    client.end_silence(silence.silence_id)
    assert silence.silence_id not in [s.silence_id for s in client.silences()]


def test_verdicts_one_by_one(client: Client) -> None:
    temp = hourly(odd=(500,))
    stream = client.detect_stream(temp, train=100)
    first = next(iter(stream))
    assert first.time == temp.index[100] and stream.detection is None
    rest = list(stream)
    out = client.detect(temp, train=100)
    assert [first.score, *(v.score for v in rest)] == out.score.tolist()[100:]
    assert stream.detection is not None
    assert stream.detection.episodes == out.detection.episodes


def test_pictures(client: Client, name: str, tmp_path: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n"
    temp = hourly(odd=(500,), tz="Europe/Berlin")
    out = client.detect(temp, train=100)
    picture = client.plot(out, title="Temperature")
    assert isinstance(picture, Picture) and picture._repr_png_().startswith(png)
    same = client.plot(temp, title="Temperature", train=100)
    assert same.png == picture.png
    part = client.plot(out, start=temp.index[400], end=temp.index[600])
    assert part.png != picture.png
    client.series(name).fit(temp)
    client.series(name).plot(start="2024-03-05T00:00Z").save(tmp_path / "model.png")
    assert (tmp_path / "model.png").read_bytes().startswith(png)


def test_axes_of_matplotlib(client: Client) -> None:
    import matplotlib.pyplot

    matplotlib.use("agg")
    out = client.detect(hourly(odd=(500,), tz="Europe/Berlin"))
    drawn = axes(out)
    assert len(drawn.lines[1].get_xdata()) == out.anomaly.sum()  # type: ignore[arg-type]
    assert len(drawn.patches) == len(out.detection.episodes)
    drawn.figure.canvas.draw()


def test_the_environment_names_platform_and_key(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANOMALY_URL", url + "/")
    monkeypatch.setenv("ANOMALY_API_KEY", "secret")
    wire = Wire()
    with Client(transport=wire) as client:
        list(client.silences())
        assert repr(client) == f"<Client {url}>" and "secret" not in repr(vars(client))
    sent = wire.requests[-1].headers
    assert sent["authorization"] == "Bearer secret"
    assert sent["user-agent"].startswith(f"anomaly-client/{anomaly.__version__} python/3.")


def test_large_bodies_are_packed(url: str) -> None:
    wire = Wire()
    with Client(url, timeout=60, transport=wire) as client:
        client.detect(range(100), wave(100))
        client.detect(hourly())
    assert [r.headers.get("content-encoding") for r in wire.requests[1:]] == [None, "gzip"]


def test_another_version_of_the_platform_is_said_once(url: str) -> None:
    import httpx

    def old(request: httpx.Request, tries: int) -> Any:
        return httpx.Response(200, json={"version": "7.1.0"}) if request.url.path == "/" else None

    wire = Wire(old)
    with Client(url, transport=wire) as client:
        with pytest.warns(VersionWarning, match="7.1.0"):
            list(client.silences())
        list(client.silences())
    assert [r.url.path for r in wire.requests].count("/") == 1


def test_a_series_id_is_encoded(client: Client) -> None:
    series = client.series("a b/c?d".replace("/", "|") + "é%")
    series.fit(range(10), wave(10))
    assert series.info().series_id == "a b|c?dé%"
    series.delete()


def test_what_is_not_data_is_refused(client: Client) -> None:
    with pytest.raises(InvalidData, match="and not int"):
        client.detect(5)  # type: ignore[call-overload]


def test_a_verdict_is_true_if_it_is_an_anomaly() -> None:
    assert Verdict(anomaly=True) and not Verdict(anomaly=False)


def test_the_synchronous_client_is_made_from_the_other() -> None:
    command = [sys.executable, str(ROOT / "tools" / "twin.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0
