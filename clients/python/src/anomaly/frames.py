"""Verdicts as they go out: in the kind of frame that came in, with its index, order and zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .errors import InvalidData
from .times import NANOSECONDS, Time, Unit
from .types import DIRECTIONS, SEVERITIES, ChangePoint, Detection, Episode, build

if TYPE_CHECKING:
    import pandas
    import polars

#: Columns of verdicts by name, one element for each judged point.
Table: TypeAlias = dict[str, list[Any]]

FLAGS = frozenset({"anomaly", "alarm"})
WORDS = {"severity": SEVERITIES, "direction": DIRECTIONS}
TEXTS = frozenset({"reason", "status", "anomaly_id"})
TIMES = frozenset({"about"})


@dataclass(frozen=True)
class PandasFrame:
    """A pandas frame that came in, its columns of values and where its times are."""

    data: pandas.DataFrame
    names: tuple[str, ...]
    time: str | None
    zone: Any

    def moment(self, number: int, unit: Unit) -> Time:
        """A timestamp as the index has it."""
        import pandas

        moment = pandas.Timestamp(number, unit=unit, tz="UTC")
        return moment.tz_convert(self.zone)

    def with_verdicts(self, table: Table, unit: Unit | None, detection: Detection) -> Any:
        """The frame with columns of verdicts behind its own."""
        import pandas

        _no_collision(self.data.columns, table)
        _register_accessor()
        out = self.data.copy(deep=False)
        made: dict[Any, Any] = {
            name: self._column(name, column, unit) for name, column in table.items()
        }
        out = pandas.concat([out, pandas.DataFrame(made, index=out.index)], axis=1)
        out.attrs.update(self.data.attrs)
        out.attrs.update(_attrs(detection))
        return out

    def _column(self, name: str, column: list[Any], unit: Unit | None) -> Any:
        import numpy
        import pandas

        if name in FLAGS:
            return numpy.array(column, dtype=bool)
        if name in TEXTS:
            # The texts of pandas 2 would have the text "None".
            modern = int(pandas.__version__.partition(".")[0]) >= 3
            return pandas.array(column, dtype="str" if modern else "object")
        if name in WORDS:
            places: dict[str | None, int] = {word: n for n, word in enumerate(WORDS[name])}
            places[None] = -1
            codes = numpy.array([places[word] for word in column], dtype="int8")
            kind = pandas.CategoricalDtype(list(WORDS[name]), ordered=True)
            return pandas.Categorical.from_codes(codes, dtype=kind)
        if name in TIMES and unit is None:
            return pandas.array(column, dtype="Int64")
        if name in TIMES and unit is not None:
            found = [None if number is None else self.moment(number, unit) for number in column]
            times = self.data.index if self.time is None else self.data[self.time]
            return pandas.Series(found, dtype=times.dtype, index=self.data.index)
        return numpy.array(column, dtype="float64")


@dataclass(frozen=True)
class PolarsFrame:
    """A polars frame that came in, its columns of values and that of its times."""

    data: polars.DataFrame
    names: tuple[str, ...]
    time: str
    zone: str | None

    def moment(self, number: int, unit: Unit) -> Time:
        """A timestamp as a datetime in the zone of the column; without one in UTC, and naive."""
        from datetime import timezone
        from zoneinfo import ZoneInfo

        from .times import to_datetime

        moment = to_datetime(number, unit, ZoneInfo(self.zone) if self.zone else timezone.utc)
        return moment if isinstance(moment, int) or self.zone else moment.replace(tzinfo=None)

    def with_verdicts(self, table: Table, unit: Unit | None, detection: Detection) -> Any:
        """The frame with columns of verdicts behind its own."""
        _no_collision(self.data.columns, table)
        made = [self._column(name, column, unit) for name, column in table.items()]
        out = self.data.with_columns(made)
        out.detection = detection  # type: ignore[attr-defined]
        return out

    def _column(self, name: str, column: list[Any], unit: Unit | None) -> polars.Series:
        import polars

        if name in FLAGS:
            return polars.Series(name, column, dtype=polars.Boolean)
        if name in TEXTS:
            return polars.Series(name, column, dtype=polars.String)
        if name in WORDS:
            return polars.Series(name, column, dtype=polars.Enum(WORDS[name]))
        if name not in TIMES:
            return polars.Series(name, column, dtype=polars.Float64)
        kind = self.data[self.time].dtype
        if unit is None or not isinstance(kind, polars.Datetime):
            return polars.Series(name, column, dtype=polars.Int64)
        finer = NANOSECONDS[unit] // NANOSECONDS[kind.time_unit]
        numbers = polars.Series(name, column, dtype=polars.Int64) * finer
        return numbers.cast(kind)


Frame: TypeAlias = PandasFrame | PolarsFrame


def spread(table: Table, rows: Sequence[int], total: int) -> Table:
    """Columns of `total` rows from those of the points in `rows`; other rows have no verdict."""
    whole: Table = {}
    for name, column in table.items():
        empty = False if name in FLAGS else None
        if isinstance(rows, range):
            whole[name] = [empty] * rows.start + column + [empty] * (total - rows.stop)
            continue
        whole[name] = [empty] * total
        for row, element in zip(rows, column, strict=True):
            whole[name][row] = element
    return whole


def detection(frame: Any) -> Detection:
    """What a call found beside the verdicts in the frame that it gave: episodes, season, warnings.

    Also `frame.detection`. Raises ValueError for a frame that has none; a polars frame loses it
    in every operation, so ask before you filter.
    """
    if type(frame).__module__.startswith("pandas"):
        found = frame.attrs.get("detection")
        if found is not None:
            return _of_attrs(frame)
    kept = frame.__dict__.get("detection") if hasattr(frame, "__dict__") else None
    if isinstance(kept, Detection):
        return kept
    raise ValueError("this frame is not one that detect() or predict_many() gave")


def _no_collision(found: Any, table: Table) -> None:
    for name in table:
        if name in found:
            raise InvalidData(f"the column {name!r} has the name of one of a verdict: rename it")


def _attrs(found: Detection) -> dict[str, Any]:
    """A detection as pandas can store it, in Parquet too: only JSON."""
    plain = {name: _plain(value) for name, value in vars(found).items() if name != "verdicts"}
    return {"episodes": plain.pop("episodes"), "detection": plain}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(element) for element in value]
    if isinstance(value, Episode | ChangePoint):
        return {name: _plain(member) for name, member in vars(value).items()}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return dict(value) if isinstance(value, Mapping) else value


def _of_attrs(frame: Any) -> Detection:
    import pandas

    stored = frame.attrs["detection"]
    time = stored["time"]
    zone = (
        (frame.index if time is None else pandas.Index(frame[time])).tz
        if _dated(frame, time)
        else None
    )

    def moment(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        at = pandas.Timestamp(value)
        return at if at.tz is None or zone is None else at.tz_convert(zone)

    def times_of(members: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        return {name: moment(value) if name in names else value for name, value in members.items()}

    episodes = [
        build(Episode, times_of(episode, ("began", "start", "end", "peak")))
        for episode in frame.attrs.get("episodes", [])
    ]
    changes = [
        build(ChangePoint, times_of(change, ("time",))) for change in stored["change_points"]
    ]
    return build(Detection, stored, episodes=episodes, change_points=changes)


def _dated(frame: Any, time: str | None) -> bool:
    return hasattr(frame.index, "tz") if time is None else time in frame.columns


def _register_accessor() -> None:
    """Makes `frame.detection` work, once."""
    import pandas

    if not hasattr(pandas.DataFrame, "detection"):
        pandas.api.extensions.register_dataframe_accessor("detection")(detection)  # type: ignore[type-var]
