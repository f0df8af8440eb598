"""The options of calls that take many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from .times import Unit
from .types import Detector, Sides


class FitOptions(TypedDict, total=False):
    """How to fit: see `Series.fit`."""

    detector: Detector
    params: Mapping[str, float]
    false_alarm_rate: float
    direction: Sides
    allow_constant: bool
    timezone: str


class DetectOptions(FitOptions, total=False):
    """How to fit and judge: see `Client.detect`."""

    train: float
    min_deviation: float


class Columns(TypedDict, total=False):
    """Where times and values are, if that is not obvious."""

    time: str
    value: str | Sequence[str]


class DetectFrameOptions(DetectOptions, Columns, total=False):
    """The options of `Client.detect`."""

    unit: Unit


class PredictFrameOptions(Columns, total=False):
    """The options of `Series.predict_many`."""

    version: str | None
    false_alarm_rate: float
    direction: Sides
    min_deviation: float


class ObserveFrameOptions(Columns, total=False):
    """The options of `Series.observe_many`."""

    wait_ms: int
    notify: bool


class StreamOptions(TypedDict, total=False):
    """How a stream judges.

    `warmup` is a number of points, `lateness` is in the unit of the timestamps, `missing_after_ms`
    in milliseconds (0: never), `transform` is `rate` or `none`, and `budget` says of how many
    anomalies people want to be told: `{"alarms": 3, "per": "week"}`.
    """

    detector: Detector
    params: Mapping[str, float]
    warmup: int
    false_alarm_rate: float
    direction: Sides
    min_deviation: float
    lateness: int
    missing_after_ms: int
    transform: str
    labels: Mapping[str, str]
    budget: Mapping[str, Any]
