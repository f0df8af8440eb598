"""CSV files of points, with the column names that the `anomaly` command knows too."""

from __future__ import annotations

import csv
import os

from .errors import InvalidData

TIME_NAMES = ("timestamp", "time", "date", "datetime", "ts", "ds", "t")
VALUE_NAMES = ("value", "values", "y", "v")


def read(
    path: str | os.PathLike[str], time: str | None, value: str | None
) -> tuple[list[int] | list[str], list[float]]:
    """Times, as numbers or as text, and values; an empty cell is NaN.

    Raises InvalidData with the line and the column of the first cell that cannot be read.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = [name.strip() for name in next(rows, [])]
        time_at = _find(header, time, TIME_NAMES, "time", 0)
        value_at = _find(header, value, VALUE_NAMES, "value", 1)
        times: list[str] = []
        values: list[float] = []
        for row in rows:
            if not row:
                continue
            if len(row) <= max(time_at, value_at):
                raise InvalidData(f"line {rows.line_num}: only {len(row)} cells")
            times.append(row[time_at].strip())
            try:
                values.append(float(row[value_at].strip() or "nan"))
            except ValueError:
                text = f"{row[value_at]!r} is not a number"
                raise InvalidData(
                    f"line {rows.line_num}, column {header[value_at]!r}: {text}"
                ) from None
    try:
        return [int(text) for text in times], values
    except ValueError:
        return times, values


def _find(
    header: list[str], wanted: str | None, names: tuple[str, ...], what: str, place: int
) -> int:
    if wanted is not None and wanted in header:
        return header.index(wanted)
    if wanted is None:
        lower = [name.lower() for name in header]
        for name in names:
            if name in lower:
                return lower.index(name)
        if len(header) == 2:
            return place
    raise InvalidData(f"no column {wanted or what!r} among {header}: name it with {what}=")
