"""What goes in comes out: index, order, zone and kind of frame."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from conftest import hourly, wave

import anomaly
from anomaly import Client, Detection, InvalidData, NaiveTimeWarning

ODD = (500, 700)


def test_a_series_comes_back_as_a_frame_with_its_index(client: Client) -> None:
    temp = hourly(odd=ODD, tz="Europe/Berlin")
    out = client.detect(temp, train=0.15)
    pd.testing.assert_index_equal(out.index, temp.index, exact=True)
    assert out.index.freq == temp.index.freq  # type: ignore[attr-defined]
    assert out["temp"].equals(temp)
    assert out[out.anomaly & (out.direction == "above")].index.tolist() == [
        temp.index[i] for i in ODD
    ]
    assert out["severity"].max() == "critical"
    assert (out.severity >= "low").sum() == out.anomaly.sum() >= 2
    assert out.expected.isna().sum() == 120 and not out.anomaly.iloc[:120].any()
    assert out.reason.iloc[500].startswith("55.799 is 40")
    assert out.dtypes[["anomaly", "alarm"]].tolist() == [bool, bool]


def test_what_was_found_beside_the_verdicts_is_kept(client: Client, tmp_path: Path) -> None:
    temp = hourly(odd=ODD, tz="Europe/Berlin")
    out = client.detect(temp)
    found = anomaly.detection(out)
    assert out.detection == found
    assert (found.train, found.detector, found.period) == (120, "auto", 24)
    assert found.anomalies == out.anomaly.sum() and found.alarms == out.alarm.sum()
    assert [episode.peak for episode in found.episodes] == [temp.index[i] for i in ODD]
    assert str(found.episodes[0].peak.tzinfo) == "Europe/Berlin"  # type: ignore[union-attr]
    assert out.attrs["episodes"][0]["peak"] == temp.index[500].isoformat()
    # What pandas writes into files beside a frame has to be JSON.
    out.iloc[400:].to_pickle(tmp_path / "out")
    assert anomaly.detection(pd.read_pickle(tmp_path / "out")) == found
    with pytest.raises(ValueError, match="detect"):
        anomaly.detection(pd.DataFrame())


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_order_of_rows_does_not_matter(client: Client, unit: str) -> None:
    temp = hourly(odd=ODD)
    temp.index = temp.index.as_unit(unit)  # type: ignore[attr-defined]
    mixed = temp.sample(frac=1, random_state=7)
    out = client.detect(mixed)
    pd.testing.assert_index_equal(out.index, mixed.index, exact=True)
    pd.testing.assert_frame_equal(
        out.sort_index(), client.detect(temp), check_freq=False, obj="verdicts"
    )


def test_rows_without_a_value_keep_their_place(client: Client) -> None:
    temp = hourly(odd=ODD)
    holes = temp.copy()
    holes.iloc[[3, 400, 799]] = np.nan
    out = client.detect(holes)
    assert len(out) == 800 and out.index.equals(temp.index)
    assert out.iloc[[3, 400, 799]].score.isna().all() and not out.anomaly.iloc[400]
    assert out.detection.warnings[0] == "3 rows have no value (NaN) and were left out"
    same = client.detect(temp.drop(temp.index[[3, 400, 799]]))
    pd.testing.assert_series_equal(out.score.dropna(), same.score.dropna(), check_freq=False)


def test_a_frame_with_a_column_of_times(client: Client) -> None:
    temp = hourly(odd=ODD)
    df = pd.DataFrame({"when": temp.index, "temp": temp.to_numpy()}, index=range(5, 805))
    out = client.detect(df)
    assert out.index.equals(df.index) and out.columns.tolist()[:3] == ["when", "temp", "anomaly"]
    assert out[out.anomaly & (out.direction == "above")].index.tolist() == [505, 705]
    assert out.detection.episodes[0].peak == temp.index[500]
    wide = df.assign(other=1.0, host="a")
    assert client.detect(wide, value="temp").anomaly.equals(out.anomaly)
    with pytest.raises(InvalidData, match=r"^host\[0\]: 'a' is not a number$"):
        client.detect(wide)


def test_several_columns_belong_together(client: Client) -> None:
    load = np.array(wave())
    df = pd.DataFrame({"cpu": load, "latency": load * 3}, index=hourly().index)
    df.iloc[600, 1] = 20.0
    out = client.detect(df)
    assert out.anomaly.iloc[600] and out["latency.contribution"].iloc[600] > 0
    assert {"cpu.expected", "cpu.lower", "latency.upper"} <= set(out.columns)
    assert out.detection.columns == ("cpu", "latency")


def test_polars_comes_back_as_polars(client: Client) -> None:
    temp = hourly(odd=ODD)
    times = pl.Series("time", temp.index.to_numpy(dtype="datetime64[us]")).dt.replace_time_zone(
        "UTC"
    )
    df = pl.DataFrame(
        {"time": times.dt.convert_time_zone("Europe/Berlin"), "temp": temp.to_numpy()}
    )
    out = client.detect(df)
    assert (
        out.columns[:3] == ["time", "temp", "anomaly"] and out.schema["time"] == df.schema["time"]
    )
    assert out["time"].equals(df["time"])
    found = anomaly.detection(out)
    hits = out.filter(pl.col("anomaly") & (pl.col("direction") == "above"))
    assert hits["time"].to_list() == [df["time"][i] for i in ODD]
    assert hits["about"].equals(hits["time"].alias("about"))
    assert out.filter(pl.col("severity") >= "low").height == found.anomalies
    assert [episode.peak for episode in found.episodes] == [df["time"][i] for i in ODD]
    assert out["expected"].null_count() == 120
    expected = client.detect(temp)
    assert out["score"].to_list()[120:] == expected.score.to_list()[120:]


def test_polars_needs_to_know_the_times(client: Client) -> None:
    with pytest.raises(InvalidData, match="time="):
        client.detect(pl.DataFrame({"a": [1], "b": [2.0]}))
    with pytest.raises(InvalidData, match="LazyFrame"):
        client.detect(pl.LazyFrame({"time": [1], "b": [2.0]}))  # type: ignore[call-overload]


def test_plain_sequences_give_verdicts(client: Client) -> None:
    start = datetime(2024, 3, 1, tzinfo=timezone(timedelta(hours=2)))
    times = [start + timedelta(hours=i) for i in range(800)]
    found = client.detect(times, wave(odd=ODD))
    assert isinstance(found, Detection) and len(found) == 680
    assert [v.time for v in found if v and v.direction == "above"] == [times[i] for i in ODD]
    numbers = client.detect(range(800), wave(odd=ODD))
    assert [v.time for v in numbers if v and v.direction == "above"] == list(ODD)
    assert [episode.peak for episode in numbers.episodes] == list(ODD)


def test_a_csv_file(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "temp.csv"
    rows = "\n".join(f"{t.isoformat()},{v}" for t, v in hourly(odd=ODD).items())  # type: ignore[attr-defined]
    path.write_text("\ufeffdate,temp\n" + rows + "\n2025-01-01T00:00:00Z,\n")
    found = client.detect(path)
    assert [v.time for v in found if v and v.direction == "above"] == [
        hourly().index[i] for i in ODD
    ]
    assert found.warnings == ("1 row has no value (NaN) and was left out",)
    path.write_text("date,temp\n1,x\n")
    with pytest.raises(InvalidData, match=r"^line 2, column 'temp': 'x' is not a number$"):
        client.detect(path)


@pytest.mark.parametrize(
    ("times", "values", "text"),
    [
        ([1, 2, 3], [1.0, math.inf, 3.0], r"values\[1\]: inf is not finite"),
        ([1, 2, 3], [1.0, "x", 3.0], r"values\[1\]: 'x' is not a number"),
        ([1, 2, 3], [1.0], "values: 1 values for 3 times"),
        ([1, 2, 3], [math.nan] * 3, "values: all of them are NaN"),
        ([1, 2.5, 3], [1, 2, 3], r"timestamps\[1\]: 2.5 is not a whole number"),
        ([1, datetime(2024, 1, 1, tzinfo=timezone.utc)], [1, 2], r"timestamps\[1\]: .* do not mix"),
        ([1, None], [1, 2], r"timestamps\[1\]: None"),
        ([1, 2**63], [1, 2], r"timestamps\[1\]: 9223372036854775808 does not fit"),
        (["2024-13-01"], [1], r"timestamps\[0\]: '2024-13-01' is not a time"),
        ([1_700_000_000, 1_700_000_000_000], [1, 2], "do not count in the same unit"),
    ],
)
def test_what_cannot_be_sent_names_field_and_row(
    client: Client, times: list[object], values: list[object], text: str
) -> None:
    with pytest.raises(InvalidData, match=text) as refused:
        client.detect(times, values)
    assert "\n" not in str(refused.value)


def test_a_missing_time_names_its_row(client: Client) -> None:
    index = pd.DatetimeIndex(["2024-01-01", pd.NaT], tz="UTC")
    with pytest.raises(InvalidData, match=r"timestamps\[1\]: there is no time"):
        client.detect(pd.Series([1.0, 2.0], index=index))


def test_a_column_that_would_be_lost_is_refused(client: Client) -> None:
    with pytest.raises(InvalidData, match="'score'"):
        client.detect(hourly().rename("score"))


def test_times_without_a_zone_are_utc_and_said_to_be(client: Client) -> None:
    aware = client.detect(hourly(odd=ODD))
    with pytest.warns(NaiveTimeWarning, match="UTC") as caught:
        naive = client.detect(hourly(odd=ODD, tz=None))
    assert caught[0].filename == __file__
    assert naive.index.tz is None  # type: ignore[attr-defined]
    assert naive.score.tolist()[120:] == aware.score.tolist()[120:]
    assert naive.detection.episodes[0].peak == hourly(tz=None).index[500]
    dates = [datetime(2024, 3, 1) + timedelta(hours=i) for i in range(800)]
    for times in (hourly(tz=None).index.to_numpy(), dates):
        with pytest.warns(NaiveTimeWarning):
            found = client.detect(times, wave())
        assert found.verdicts[0].time == dates[120]


def test_a_frame_says_the_same_as_verdicts_one_by_one(client: Client) -> None:
    temp = hourly(5_000, odd=(500, 4_900))
    out = client.detect(temp)
    found = client.detect(list(temp.index), temp.tolist())
    rows = out.iloc[found.train :]
    assert len(rows) == len(found) and found.episodes == out.detection.episodes
    told = rows.anomaly | rows.alarm
    names = ["anomaly", "alarm", "score", "p_value", "severity", "expected", "lower", "upper"]
    for name in [*names, "direction", "ratio"]:
        assert rows[name].tolist() == [getattr(verdict, name) for verdict in found], name
    assert rows[told].reason.tolist() == [v.reason for v in found if v.anomaly or v.alarm]
    assert rows[~told].reason.isna().all() and told.sum() > 2
    assert rows[rows.alarm].about.tolist() == [v.about for v in found if v.alarm]
