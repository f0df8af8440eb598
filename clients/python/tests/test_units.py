"""A time is never a thousand times off."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from gzip import decompress
from typing import Any

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import Wire, hourly, wave

from anomaly import BadRequest, Client, InvalidData, to_datetime


def sent(request: httpx.Request) -> Any:
    """The body of a request."""
    packed = request.headers.get("content-encoding") == "gzip"
    return json.loads(decompress(request.content) if packed else request.content)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("step", [("h", "s"), ("1500ms", "ms"), ("10us", "us")])
def test_an_index_of_any_unit_is_sent_in_the_coarsest_that_is_exact(
    url: str, name: str, unit: str, step: tuple[str, str]
) -> None:
    freq, exact = step
    order = ["s", "ms", "us", "ns"]
    if order.index(unit) < order.index(exact):
        pytest.skip("an index of this unit cannot hold the step")
    index = pd.date_range("2024-03-01", periods=100, freq=freq, tz="UTC").as_unit(unit)  # type: ignore[arg-type]
    wire = Wire()
    with Client(url, timeout=60, transport=wire) as client:
        series = client.series(name)
        series.fit(pd.Series(wave(100), index=index))
        assert series.predict(index[-1], 20.0).time == index[-1]
    per = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[exact]
    expected = [moment.value // per for moment in index]
    bodies = [sent(r) for r in wire.requests if r.method == "POST"]
    assert bodies[0]["timestamps"] == expected and bodies[1]["timestamp"] == expected[-1]


def test_every_kind_of_time_is_the_same_moment(url: str, name: str) -> None:
    wire = Wire()
    moment = pd.Timestamp("2024-06-01T12:00:00+02:00")
    with Client(url, timeout=60, transport=wire) as client:
        series = client.series(name)
        series.fit(hourly())
        kinds = (moment, moment.to_pydatetime(), moment.isoformat(), "2024-06-01T10:00:00Z", 1717236000, 1717236000.0, np.int64(1717236000))  # fmt: skip
        for time in kinds:
            series.predict(time, 20.0)
        with pytest.warns(UserWarning, match="UTC"):
            series.predict(np.datetime64("2024-06-01T10:00"), 20.0)
    predictions = [sent(r) for r in wire.requests if r.url.path.startswith("/predict")]
    assert [body["timestamp"] for body in predictions] == [1717236000] * 8


def test_the_unit_of_a_series_is_that_of_the_platform(url: str, name: str) -> None:
    milliseconds = [1_700_000_000_000 + 3_600_000 * i for i in range(100)]
    with Client(url, timeout=60) as first:
        first.series(name).fit(milliseconds, wave(100))
    wire = Wire()
    with Client(url, timeout=60, transport=wire) as second:
        second.series(name).predict(datetime(2024, 1, 1, tzinfo=timezone.utc), 20.0)
        for unit in ("s", "ns"):
            temp = hourly(100)
            temp.index = temp.index.as_unit(unit)  # type: ignore[attr-defined]
            second.series(name).fit(temp)
    assert sent(wire.requests[-3])["timestamp"] == 1704067200000
    for request in wire.requests[-2:]:
        assert sent(request)["timestamps"][0] == hourly().index[0].value // 10**6


def test_a_finer_time_than_the_series_counts_is_refused(client: Client, name: str) -> None:
    series = client.series(name)
    series.fit(hourly())
    with pytest.raises(InvalidData, match=r"timestamps\[0\]: 2024-03-01T00:00:00.500000.*seconds"):
        series.predict("2024-03-01T00:00:00.5Z", 20.0)
    finer = hourly(3)
    finer.index = finer.index + pd.to_timedelta([0, 1, 0], unit="ms")
    with pytest.raises(InvalidData, match=r"timestamps\[1\]"):
        series.predict_many(finer)


def test_a_number_in_another_unit_is_refused(client: Client, name: str) -> None:
    series = client.series(name)
    series.fit(hourly())
    with pytest.raises(InvalidData, match="milliseconds, and the series seconds"):
        series.predict(1_717_236_000_000, 20.0)
    with pytest.raises(InvalidData, match="microseconds, and the series seconds"):
        series.fit([m.value // 1000 for m in hourly().index], wave())
    with pytest.raises(BadRequest) as refused:
        client.series(name, unit="ms").predict(1_717_236_000_000, 20.0)
    assert refused.value.code == "wrong_time_unit"


def test_dates_are_refused_by_a_series_that_counts_points(client: Client, name: str) -> None:
    series = client.series(name)
    series.fit(range(100), wave(100))
    assert not series.predict(101, wave(102)[101])
    with pytest.raises(InvalidData, match="unit="):
        series.predict(datetime(2024, 1, 1, tzinfo=timezone.utc), 20.0)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_polars_units(url: str, unit: str) -> None:
    wire = Wire()
    times = pl.Series("time", [1_700_000_000_000 + 250 * i for i in range(100)])
    dated = (times * {"ms": 1, "us": 10**3, "ns": 10**6}[unit]).cast(pl.Datetime(unit, "UTC"))  # type: ignore[arg-type]
    with Client(url, timeout=60, transport=wire) as client:
        out = client.detect(pl.DataFrame({"time": dated, "y": wave(100)}))
    assert sent(wire.requests[-1])["timestamps"] == times.to_list()
    assert out.schema["about"] == dated.dtype


def test_a_timestamp_becomes_a_datetime_only_if_it_is_exact() -> None:
    moment = datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)
    assert to_datetime(1_700_000_000) == to_datetime(1_700_000_000_000) == moment
    assert to_datetime(1_700_000_000_000_000_000) == moment
    assert to_datetime(1_700_000_000_000_000_001) == 1_700_000_000_000_000_001
    assert to_datetime(42) == 42
