"""Points as they come in: pandas, polars, sequences or a CSV file, checked before they are sent."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from . import csvfile, times
from .errors import InvalidData
from .frames import Frame, PandasFrame, PolarsFrame
from .times import Times, Unit

if TYPE_CHECKING:
    import pandas
    import polars
    from numpy.typing import NDArray

#: A series in pandas.
Pandas: TypeAlias = "pandas.DataFrame | pandas.Series[Any]"
#: Times, with values beside them; or the path of a CSV file.
Plain: TypeAlias = (
    "Sequence[Any] | NDArray[Any] | pandas.Index[Any] | polars.Series | str | os.PathLike[str]"
)
#: What can be sent.
Data: TypeAlias = "Pandas | polars.DataFrame | Plain"


@dataclass(frozen=True)
class Points:
    """Points in the order of time, without those that have no value.

    `rows` are their places in the data that came in, of `total` rows. `columns` has the values by
    name; a series of numbers has one column.
    """

    times: Times
    columns: Mapping[str, list[float]]
    rows: Sequence[int]
    total: int
    frame: Frame | None
    warnings: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def body(self, unit: Unit | None) -> dict[str, Any]:
        """The two members of a request: timestamps in `unit`, and values."""
        numbers = self.times.counted_in(unit)
        values = {name: self._sent(column) for name, column in self.columns.items()}
        single = next(iter(values.values())) if len(values) == 1 else None
        return {"timestamps": self._sent(numbers), "values": values if single is None else single}

    def _sent(self, column: Sequence[Any]) -> Sequence[Any]:
        unchanged = isinstance(self.rows, range) and len(self.rows) == len(column)
        return column if unchanged else [column[row] for row in self.rows]


def read(
    data: Data,
    values: Any = None,
    *,
    time: str | None = None,
    value: str | Sequence[str] | None = None,
) -> Points:
    """Reads points of any kind. `time` and `value` name columns where they are not obvious.

    Raises InvalidData, which names the field and the row, for what cannot be sent.
    """
    if values is not None:
        return _clean(_times(data), _columns(values), None)
    module = type(data).__module__.partition(".")[0]
    if module == "pandas":
        return _pandas(data, time, value)
    if module == "polars":
        return _polars(data, time, value)
    if isinstance(data, str | os.PathLike):
        if value is not None and not isinstance(value, str):
            raise InvalidData(
                "value: a CSV file has one column of values here; read it with pandas"
            )
        texts, numbers = csvfile.read(data, time, value)
        return _clean(times.many(texts), {"values": numbers}, None)
    if isinstance(data, tuple) and len(data) == 2:
        return _clean(_times(data[0]), _columns(data[1]), None)
    raise InvalidData(
        "a frame, two sequences (times, values) or the path of a CSV file, "
        f"and not {type(data).__name__}"
    )


def _pandas(data: Any, time: str | None, value: str | Sequence[str] | None) -> Points:
    import pandas

    if isinstance(data, pandas.Index):
        raise InvalidData("times without values: give the values too")
    if isinstance(data, pandas.Series):
        data = data.to_frame("value" if data.name is None else data.name)
    if not data.columns.is_unique:
        raise InvalidData("two columns have the same name")
    if time is None and not isinstance(data.index, pandas.DatetimeIndex | pandas.PeriodIndex):
        dated = [name for name in data.columns if data[name].dtype.kind == "M"]
        time = dated[0] if len(dated) == 1 else None
    names = _names(data.columns, time, value)
    index = data.index if time is None else pandas.Index(data[time])
    columns = {str(name): _floats(data[name], str(name)) for name in names}
    frame = PandasFrame(data, tuple(names), time, getattr(index, "tz", None))
    return _clean(_times(index), columns, frame)


def _polars(data: Any, time: str | None, value: str | Sequence[str] | None) -> Points:
    import polars

    if not isinstance(data, polars.DataFrame):
        raise InvalidData(
            f"a polars {type(data).__name__} has no times with values: give a DataFrame"
        )
    if time is None:
        dated = [name for name in data.columns if data[name].dtype.is_temporal()]
        named = [name for name in data.columns if name.lower() in csvfile.TIME_NAMES]
        if len(dated or named) != 1:
            raise InvalidData(f"which of {data.columns} has the times? Name it with time=")
        time = (dated or named)[0]
    names = _names(data.columns, time, value)
    columns = {name: _floats(data[name], name) for name in names}
    zone = getattr(data[time].dtype, "time_zone", None)
    return _clean(_times(data[time]), columns, PolarsFrame(data, tuple(names), time, zone))


def _names(found: Any, time: str | None, value: str | Sequence[str] | None) -> list[Any]:
    """The columns of values."""
    wanted = [value] if isinstance(value, str) else value
    names = [name for name in found if name != time] if wanted is None else list(wanted)
    missing = [name for name in [*names, *([] if time is None else [time])] if name not in found]
    if missing or not names:
        raise InvalidData(f"no column {missing[0] if missing else 'of values'!r} in {list(found)}")
    return names


def _times(data: Any) -> Times:
    """Times of an index, a column, an array or a sequence."""
    kind = type(data).__module__.partition(".")[0]
    if kind == "pandas":
        return _pandas_times(data)
    if kind == "polars":
        return _polars_times(data)
    if kind == "numpy" and data.dtype.kind == "M":
        return _numpy_times(data)
    return times.many(data.tolist() if hasattr(data, "tolist") else data)


def _pandas_times(data: Any) -> Times:
    import pandas

    index = pandas.Index(data)
    if isinstance(index, pandas.PeriodIndex):
        index = index.to_timestamp()
    if isinstance(index, pandas.MultiIndex):
        raise InvalidData("the index has several levels: choose one series of them")
    if not isinstance(index, pandas.DatetimeIndex):
        return times.many(index.tolist())
    _no_missing(index.isna().tolist())
    if index.tz is None:
        times.warn_naive()
    unit: Unit = index.unit
    return Times(index.asi8.tolist(), unit)


def _numpy_times(data: Any) -> Times:
    import numpy

    unit, step = numpy.datetime_data(data.dtype)
    if unit not in times.NANOSECONDS:
        data, unit, step = data.astype("datetime64[s]"), "s", 1
    _no_missing(numpy.isnat(data).tolist())
    times.warn_naive()
    return Times((data.astype("int64") * step).tolist(), unit)  # type: ignore[arg-type]


def _polars_times(data: Any) -> Times:
    import polars

    _no_missing(data.is_null().to_list())
    if data.dtype == polars.Date:
        times.warn_naive()
        return Times([day * 86_400 for day in data.to_physical().to_list()], "s")
    if not isinstance(data.dtype, polars.Datetime):
        return times.many(data.to_list())
    if data.dtype.time_zone is None:
        times.warn_naive()
    unit: Unit = data.dtype.time_unit
    return Times(data.to_physical().to_list(), unit)


def _no_missing(missing: list[bool]) -> None:
    if True in missing:
        raise InvalidData(f"timestamps[{missing.index(True)}]: there is no time")


def _columns(values: Any) -> dict[str, list[float]]:
    if isinstance(values, Mapping):
        return {str(name): _floats(column, str(name)) for name, column in values.items()}
    return {"values": _floats(values, "values")}


def _floats(column: Any, name: str) -> list[float]:
    """Values as numbers; what is missing is NaN."""
    if hasattr(column, "to_numpy") and type(column).__module__.startswith("pandas"):
        try:
            return column.to_numpy(dtype="float64", na_value=math.nan).tolist()  # type: ignore[no-any-return]
        except (TypeError, ValueError):
            pass  # the loop below names the row
    values = column.to_list() if hasattr(column, "to_list") else column
    values = values.tolist() if hasattr(values, "tolist") else values
    floats: list[float] = []
    for row, number in enumerate(values):
        try:
            if isinstance(number, str):
                raise TypeError
            floats.append(math.nan if number is None else float(number))
        except (TypeError, ValueError, OverflowError):
            raise InvalidData(f"{name}[{row}]: {number!r} is not a number") from None
    return floats


def _clean(found: Times, columns: Mapping[str, list[float]], frame: Frame | None) -> Points:
    """Leaves out rows without a value, refuses infinite ones, and sorts by time."""
    total = len(found.numbers)
    for name, column in columns.items():
        if len(column) != total:
            raise InvalidData(f"{name}: {len(column)} values for {total} times")
        for infinite in (math.inf, -math.inf):
            if infinite in column:
                raise InvalidData(f"{name}[{column.index(infinite)}]: {infinite} is not finite")
    kept: Sequence[int] = range(total)
    if any(any(map(math.isnan, column)) for column in columns.values()):
        complete = enumerate(zip(*columns.values(), strict=True))
        kept = [row for row, values in complete if not any(map(math.isnan, values))]
    if not kept:
        raise InvalidData("values: there are none" if not total else "values: all of them are NaN")
    dropped = total - len(kept)
    some = f"{dropped} rows have no value (NaN) and were left out"
    note = "1 row has no value (NaN) and was left out" if dropped == 1 else some
    notes = (note,) if dropped else ()
    numbers = list(found.numbers)
    if sorted(numbers) != numbers:
        kept = sorted(kept, key=numbers.__getitem__)
    return Points(found, columns, kept, total, frame, notes)
