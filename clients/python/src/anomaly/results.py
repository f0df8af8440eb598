"""From the verdicts of a reply to what the caller gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import frames
from .data import Points
from .times import Time, Unit, to_datetime
from .types import Anomaly, ChangePoint, Detection, Episode, T, Verdict, build

_NUMBERS = ("score", "p_value", "severity", "expected", "lower", "upper", "direction", "reason")
_OF_A_COLUMN = ("expected", "lower", "upper", "p_value")


@dataclass(frozen=True)
class Judged:
    """The last points of `points` with their verdicts as the platform sent them: one by one, or as
    columns.
    """

    points: Points
    unit: Unit | None
    verdicts: Sequence[Mapping[str, Any]] | frames.Table
    summary: Mapping[str, Any]
    options: Mapping[str, Any]
    observed: bool = False

    def result(self) -> Any:
        """A frame like the one that came in, or a Detection with verdicts."""
        frame = self.points.frame
        verdicts = self.verdicts
        if frame is None:
            found = (verdict(one, self.points, self.unit) for one in verdicts)  # type: ignore[arg-type]
            return self.detection(tuple(found))
        table = verdicts if isinstance(verdicts, dict) else self._table(verdicts)
        rows = self.points.rows[len(self.points) - len(table["anomaly"]) :]
        table = frames.spread(table, rows, self.points.total)
        return frame.with_verdicts(table, self._time_unit(), self.detection())

    def detection(self, verdicts: tuple[Verdict, ...] = ()) -> Detection:
        """What was found beside the verdicts."""
        episodes = [
            _with_times(Episode, found, self._moment) for found in self.summary.get("episodes", ())
        ]
        changes = [
            ChangePoint(self._moment(found["timestamp"]), found["from"], found["to"])
            for found in self.summary.get("change_points", ())
        ]
        frame = self.points.frame
        return build(
            Detection,
            {**self.summary, "warnings": list(self.summary.get("warnings", ()))},
            episodes=tuple(episodes),
            change_points=tuple(changes),
            options=self.options,
            columns=frame.names if frame else tuple(self.points.columns),
            time=frame.time if frame else None,
            verdicts=verdicts,
        )

    def _table(self, found: Sequence[Mapping[str, Any]]) -> frames.Table:
        columns = self.points.columns
        table: frames.Table = {"anomaly": [v.get("anomaly", False) for v in found]}
        detected = "train" in self.summary
        if detected or self.observed:
            table["alarm"] = [v.get("alarm", False) for v in found]
        several = len(columns) > 1
        for name in _NUMBERS:
            if not (several and name in ("expected", "lower", "upper")):
                table[name] = [v.get(name) for v in found]
        if detected and not several:
            table["ratio"] = [v["ratio"] for v in found]
            table["about"] = [v.get("about") for v in found]
        if self.observed:
            table["status"] = [v["status"] for v in found]
            table["anomaly_id"] = [v.get("anomaly_id") for v in found]
        for column in columns if several else ():
            shares = [v.get("contributions") or {} for v in found]
            table[f"{column}.contribution"] = [share.get(column) for share in shares]
            own = [(v.get("columns") or {}).get(column) or {} for v in found]
            for name in _OF_A_COLUMN:
                table[f"{column}.{name}"] = [members.get(name) for members in own]
        return table

    def _time_unit(self) -> Unit | None:
        """The unit, if the times that came in were dates."""
        return None if self.points.times.unit is None else self.unit

    def _moment(self, timestamp: int) -> Time:
        return moment(timestamp, self.points, self.unit)


def joined(blocks: Sequence[Mapping[str, list[Any]]]) -> frames.Table:
    """The columns of a table that comes in blocks of rows."""
    table: frames.Table = {name: [] for name in blocks[0]}
    for block in blocks:
        for name, column in block.items():
            table[name] += column
    return table


def moment(timestamp: int, points: Points, unit: Unit | None) -> Time:
    """A timestamp of a reply in the form of the times that came in."""
    if points.times.unit is None or unit is None:
        return timestamp
    if points.frame is not None:
        return points.frame.moment(timestamp, unit)
    at = to_datetime(timestamp, unit, points.times.zone or timezone.utc)
    naive = points.times.zone is None and isinstance(at, datetime)
    return at.replace(tzinfo=None) if naive else at  # type: ignore[union-attr]


def verdict(found: Mapping[str, Any], points: Points, unit: Unit | None) -> Verdict:
    """One verdict of a reply about many points."""
    at = found.get("timestamp")
    about = found.get("about")
    return build(
        Verdict,
        found,
        anomaly=found.get("anomaly", False),
        time=None if at is None else moment(at, points, unit),
        about=None if about is None else moment(about, points, unit),
    )


def listed(kind: type[T], item: Mapping[str, Any]) -> T:
    """An item of a list. The times of an anomaly are dates, where their size says of which unit."""
    return _with_times(kind, item, to_datetime) if kind is Anomaly else build(kind, item)


def _with_times(kind: type[T], found: Mapping[str, Any], moment_of: Any) -> T:
    names = ("began", "start", "end", "peak")
    dates = {n: moment_of(found[n]) for n in names if found.get(n) is not None}
    return build(kind, found, **dates)
