"""What the platform replies, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, TypeAlias, TypeVar

from .times import Time, moment

Detector: TypeAlias = Literal["auto", "sigma", "robust", "seasonal", "ewma"]
Sides: TypeAlias = Literal["both", "above", "below"]
Severity: TypeAlias = Literal["none", "low", "medium", "high", "critical"]
Direction: TypeAlias = Literal["none", "above", "below", "pattern"]
SEVERITIES: tuple[Severity, ...] = ("none", "low", "medium", "high", "critical")
DIRECTIONS: tuple[Direction, ...] = ("none", "above", "below", "pattern")

T = TypeVar("T")


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether a point is normal, how unusual it is, and why. True if it is an anomaly.

    `p_value` is the probability that a normal point is at least as unusual, `score` the same for
    ranking, from 0 to 1. `lower` to `upper` is the normal range; None is no limit. `alarm` says
    that an episode begins or grows here: what to tell people of. `about` is the time of the point
    that the alarm is about. Of several columns, `contributions` are the shares in the evidence, and
    `columns` has what is normal for each by itself.
    """

    anomaly: bool
    reason: str = ""
    score: float | None = None
    p_value: float | None = None
    severity: Severity = "none"
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    direction: Direction = "none"
    time: Time | None = None
    value: float | Mapping[str, float] | None = None
    detector: str | None = None
    model_version: str | None = None
    alarm: bool = False
    ratio: float | None = None
    about: Time | None = None
    cause: Mapping[str, Any] | None = None
    contributions: Mapping[str, float] | None = None
    columns: Mapping[str, Mapping[str, float | None]] | None = None
    status: str | None = None
    learning: Mapping[str, int] | None = None
    anomaly_id: str | None = None
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.anomaly

    def __repr__(self) -> str:
        kind = f"{self.severity} anomaly" if self.anomaly else (self.status or "normal")
        kind = "normal" if kind == "judged" else kind
        return f"<Verdict {kind}{': ' if self.reason else ''}{self.reason}>"


@dataclass(frozen=True, repr=False)
class Episode:
    """Alarms that belong together, with the abnormal points around them."""

    start: Time
    end: Time
    peak: Time
    severity: Severity
    began: Time | None = None
    value: float | None = None
    expected: float | None = None
    direction: Direction | None = None
    ratio: float | None = None
    alarms: int | None = None
    reason: str = ""
    p_value: float | None = None

    def __repr__(self) -> str:
        return f"<Episode {self.severity}, {self.start} to {self.end}: {self.reason}>"


@dataclass(frozen=True, repr=False)
class ChangePoint:
    """A lasting change of the level: the first time of the new level, and both levels."""

    time: Time
    before: float
    after: float

    def __repr__(self) -> str:
        return f"<ChangePoint {self.time}: {self.before:g} to {self.after:g}>"


@dataclass(frozen=True, repr=False)
class Detection:
    """What a call over many points found, beside the verdicts in a frame.

    `verdicts` has them where no frame came in. `train` is the number of points that were fitted on,
    `anomalies` and `alarms` are numbers of points, `period` is the season in points. `counts` are
    the points of a stream by status. `options` are those of the call, `columns` the names of the
    values in the frame, and `time` that of the times if they are no index.
    """

    detector: str | None = None
    model_version: str | None = None
    train: int = 0
    anomalies: int = 0
    alarms: int = 0
    period: int | None = None
    episodes: tuple[Episode, ...] = ()
    change_points: tuple[ChangePoint, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    time: str | None = None
    verdicts: tuple[Verdict, ...] = ()

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Detection {self.detector}: {self.anomalies} anomalies, {len(self.episodes)} episodes>"


@dataclass(frozen=True, repr=False)
class FittedModel:
    """A new model. `serving` is the version that serves after the fit.

    `points_used` is the number of points that it was fitted on, without those of `warnings`.
    """

    series_id: str
    version: str
    points_used: int
    detector: str
    columns: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    serving: str = ""

    def __repr__(self) -> str:
        note = f", {len(self.warnings)} warnings" if self.warnings else ""
        return f"<FittedModel {self.series_id} {self.version}: {self.detector} on {self.points_used} points{note}>"


@dataclass(frozen=True, repr=False)
class Model:
    """A stored model of a series."""

    version: str
    detector: str
    params: Mapping[str, float]
    points: int
    created_at: datetime
    fit_ms: float
    first_timestamp: int
    last_timestamp: int
    size_bytes: int
    checksum: str
    source: str
    aliases: tuple[str, ...] = ()
    serving: bool = False
    columns: tuple[str, ...] = ()

    def __repr__(self) -> str:
        serving = ", serving" if self.serving else ""
        return f"<Model {self.version}: {self.detector} on {self.points} points{serving}>"


@dataclass(frozen=True, repr=False)
class Alias:
    """A name of a version; `previous` is the version that it named before."""

    name: str
    version: str
    previous: str | None
    changed_at: datetime

    def __repr__(self) -> str:
        return f"<Alias {self.name}: {self.version}>"


@dataclass(frozen=True, repr=False)
class SeriesInfo:
    """A series as the platform knows it. One that has only a stream has no models."""

    series_id: str
    models: int
    serving: str | None = None
    newest: str | None = None
    changed_at: datetime | None = None
    revision: str | None = None
    stream: str | None = None
    aliases: tuple[Alias, ...] = ()

    def __repr__(self) -> str:
        stream = f", stream {self.stream}" if self.stream else ""
        return f"<SeriesInfo {self.series_id}: {self.models} models, {self.serving} serves{stream}>"


@dataclass(frozen=True, repr=False)
class Stream:
    """How far a stream has come: its state, its options and the points by status."""

    series_id: str
    state: str
    detector: str | None
    begun_from: str | None
    points: int
    last_timestamp: int | None
    usual_step: int | None
    learning: Mapping[str, int] | None
    counts: Mapping[str, int]
    latest_by: int | None
    open_anomaly: str | None
    labels: Mapping[str, str]
    options: Mapping[str, Any]
    unit: str | None
    false_alarms: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<Stream {self.series_id}: {self.state}, {self.points} points>"


@dataclass(frozen=True, repr=False)
class Anomaly:
    """An anomaly that a stream has found. `began` to `peak` are times of its points."""

    anomaly_id: str
    series_id: str
    kind: str
    status: str
    severity: Severity
    start: Time
    began: Time | None = None
    end: Time | None = None
    peak: Time | None = None
    value: float | None = None
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None
    direction: Direction | None = None
    ratio: float | None = None
    alarms: int | None = None
    reason: str = ""
    detector: str | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    incident_id: str | None = None
    silenced: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    held_back: str | None = None
    feedback: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<Anomaly {self.anomaly_id} {self.series_id}: {self.severity}, {self.status}: {self.reason}>"


@dataclass(frozen=True, repr=False)
class Silence:
    """A time in which nobody is told of anomalies of the series that match."""

    silence_id: str
    matchers: tuple[Mapping[str, str], ...]
    starts_at: datetime
    ends_at: datetime | None = None
    intervals: tuple[Mapping[str, Any], ...] = ()
    comment: str | None = None
    created_by: str | None = None

    def __repr__(self) -> str:
        matchers = ", ".join(f"{m['name']}{m['op']}{m['value']}" for m in self.matchers)
        return f"<Silence {self.silence_id}: {matchers} until {self.ends_at}>"


@dataclass(frozen=True)
class Event:
    """Something that has happened: `event` is `anomaly`, `rows`, `point` or `counts`."""

    event: str
    data: Any
    event_id: str | None = None


def build(kind: type[T], reply: Mapping[str, Any], **changed: Any) -> T:
    """A dataclass from a JSON object. Members that it does not have are left out."""
    members = {**reply, **changed}
    known = {f.name: str(f.type) for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _typed(known[name], members[name]) for name in known if name in members})


def _typed(kind: str, value: Any) -> Any:
    if isinstance(value, list) and kind.startswith("tuple"):
        return tuple(value)
    if isinstance(value, str) and kind.startswith("datetime"):
        return moment(value)
    return value
