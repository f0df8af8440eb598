"""Parts of requests: queries and bodies; and the reader of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from . import times
from .data import Points
from .times import Unit
from .types import Event


class EventReader:
    """Puts the lines of server-sent events together."""

    def __init__(self) -> None:
        self._fields: dict[str, str] = {}

    def read(self, line: str) -> Event | None:
        """The event that ends with `line`, if one does."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            joined = name == "data" and name in self._fields
            self._fields[name] = f"{self._fields[name]}\n{value}" if joined else value
            return None
        found, self._fields = self._fields, {}
        if "data" not in found:
            return None
        return Event(found.get("event", "message"), json.loads(found["data"]), found.get("id"))


def one_row(value: float | Mapping[str, float]) -> Any:
    """The value of a point, or those of its columns, as columns of one row."""
    return {n: [v] for n, v in value.items()} if isinstance(value, Mapping) else [value]


def span(start: Any, end: Any, unit: Unit | None) -> dict[str, int]:
    """The first and the last time of a plot."""
    given = {"from": start, "to": end}
    found = {name: times.one(time) for name, time in given.items() if time is not None}
    return {name: time.counted_in(unit)[0] for name, time in found.items()}


def plot_body(points: Points, unit: Unit | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a plot of a detection."""
    return {**points.body(unit or points.times.coarsest()), **given(options)}


def cut(body: Mapping[str, Any], start: int, end: int) -> dict[str, Any]:
    """A part of the points of a body."""
    values = body["values"]
    named = isinstance(values, dict)
    cut = {n: column[start:end] for n, column in values.items()} if named else values[start:end]
    return {"timestamps": body["timestamps"][start:end], "values": cut}


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def as_query(options: Mapping[str, Any]) -> dict[str, str]:
    return {name: parameter(value) for name, value in options.items() if value is not None}


def parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return times.rfc3339(value) if isinstance(value, datetime) else str(value)
