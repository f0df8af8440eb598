"""Every call of the API, without a connection: what is sent, and what the reply means.

A call is a generator of `wire.Send` and `wire.Sleep`. `Client` and `AsyncClient` carry them out.
"""

from __future__ import annotations

import json
import sys
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Generic

from . import errors, results, times
from ._version import __version__
from .bodies import EventReader, as_query, cut, given, span
from .data import Points
from .times import Unit
from .types import (
    Alias,
    Anomaly,
    Detection,
    FittedModel,
    Model,
    SeriesInfo,
    Silence,
    Stream,
    Verdict,
    build,
)
from .wire import Call, Reply, Request, T, path, perform

#: The most points of a batch and of its context, and of one observation.
BATCH, CONTEXT, OBSERVED = 100_000, 2_048, 10_000
#: Headers of every request.
HEADERS = {
    "user-agent": f"anomaly-client/{__version__} python/{sys.version_info[0]}.{sys.version_info[1]}"
}


class VersionWarning(UserWarning):
    """The platform is of another version than this client."""


@dataclass
class Known:
    """What a client has learned about a series: its revision, and the unit of its timestamps.

    Those of a `counter` are no times since 1970, so they have none.
    """

    unit: Unit | None = None
    counter: bool = False
    asked: bool = False
    etag: str | None = None


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of a list, and where the next one begins."""

    items: Sequence[T]
    after: str | None


@dataclass(frozen=True)
class Lines:
    """An open reply of many lines, and what one of them means."""

    source: Any
    read: Callable[[str], Any]


@dataclass
class Calls:
    """The calls, and what is kept between them."""

    retries: int = 2
    known: dict[str, Known] = field(default_factory=dict)
    version_checked: bool = False

    def series(self, series_id: str) -> Known:
        """What is known about a series."""
        return self.known.setdefault(series_id, Known())

    def ask(self, request: Request) -> Call[Reply]:
        """Sends a request; before the first one the versions are compared."""
        if not self.version_checked:
            self.version_checked = True
            yield from self._check_version()
        return (yield from perform(request, self.retries))

    def _check_version(self) -> Call[None]:
        try:
            reply = yield from perform(Request("GET", "/"), 0)
            version = str(reply.json()["version"])
        except (errors.AnomalyError, KeyError, TypeError):
            return  # the call itself says what is wrong
        if version.split(".")[:2] != __version__.split(".")[:2]:
            text = f"the platform is of version {version}, and this client of {__version__}"
            warnings.warn(text, VersionWarning, stacklevel=2)

    def about(self, series_id: str, request: Request, *, guarded: bool = False) -> Call[Reply]:
        """Asks about a series and keeps its revision. `guarded` sends the one that was seen."""
        known = self.series(series_id)
        if guarded and known.etag is None:
            yield from self.info(series_id)
        if guarded and known.etag is not None:
            request = replace(request, headers={**request.headers, "if-match": known.etag})
        reply = yield from self.ask(request)
        revision = reply.headers.get("x-series-revision")
        known.etag = reply.headers.get("etag") or (f'"{revision}"' if revision else known.etag)
        return reply

    # Units

    def unit(
        self, series_id: str, points: Points, *, judged_only: bool = False
    ) -> Call[Unit | None]:
        """The unit in which `points` go to a series: its own, or the coarsest that is exact.

        Numbers that are `judged_only` the platform compares with the model itself.
        """
        known = self.series(series_id)
        compared = judged_only and points.times.unit is None
        if known.unit is None and not known.asked and not compared:
            yield from self._ask_unit(series_id)
            known.asked = True
        if known.unit is not None:
            return known.unit
        if known.counter and points.times.unit is not None:
            raise errors.InvalidData(
                f"timestamps: dates, and series {series_id!r} counts no time since 1970; "
                "if it does, say in what: series(…, unit=…)"
            )
        return points.times.coarsest()

    def _learn_unit(self, series_id: str, timestamp: int) -> None:
        known = self.series(series_id)
        known.unit = known.unit or times.unit_of(timestamp)
        known.counter = known.unit is None

    def _ask_unit(self, series_id: str) -> Call[None]:
        """Learns the unit from the model that serves, or from the stream."""
        template = "/v1/series/{id}/"
        try:
            reply = yield from self.ask(Request("GET", path(template + "models", id=series_id)))
            known = self.series(series_id)
            known.etag = known.etag or reply.headers.get("etag")
            models = reply.json()["models"]
            serving = [model for model in models if model["serving"]] or models
            self._learn_unit(series_id, serving[0]["last_timestamp"])
            return
        except (errors.NotFound, IndexError):
            pass
        except errors.Forbidden:
            return  # the platform compares units itself, if there is a model
        try:
            reply = yield from self.ask(Request("GET", path(template + "stream", id=series_id)))
        except errors.NotFound:
            return
        last = reply.json()["last_timestamp"]
        if last is not None:
            self._learn_unit(series_id, last)

    # Models

    def fit(self, series_id: str, points: Points, options: Mapping[str, Any]) -> Call[FittedModel]:
        """Fits a new version. One idempotency key for all tries makes it one version."""
        unit = yield from self.unit(series_id, points)
        body = {**points.body(unit), **given(options)}
        headers = {"idempotency-key": str(uuid.uuid4())}
        request = Request("POST", path("/fit/{id}", id=series_id), body=body, headers=headers)
        reply = (yield from self.about(series_id, request)).json()
        self._learn_unit(series_id, body["timestamps"][-1])
        noted = [*points.warnings, *reply.get("warnings", ())]
        serving = reply.get("serving", reply["version"])
        return build(FittedModel, reply, warnings=noted, serving=serving)

    def predict(
        self, series_id: str, point: Points, context: Points | None, options: Mapping[str, Any]
    ) -> Call[Verdict]:
        """Judges one point."""
        unit = yield from self.unit(series_id, point, judged_only=True)
        both = point.body(unit)
        body: dict[str, Any] = {"timestamp": both["timestamps"][0]}
        values = both["values"]
        named = isinstance(values, dict)
        body["value"] = {n: column[0] for n, column in values.items()} if named else values[0]
        if context is not None:
            body["context"] = context.body(unit)
        request = Request(
            "POST", path("/predict/{id}", id=series_id), body={**body, **given(options)}
        )
        reply = (yield from self.ask(request)).json()
        at = {"timestamp": body["timestamp"], "value": body["value"]}
        return results.verdict({**reply, **at}, point, unit)

    def predict_many(
        self, series_id: str, points: Points, options: Mapping[str, Any]
    ) -> Call[results.Judged]:
        """Judges points in batches, each with the last points before it as context."""
        unit = yield from self.unit(series_id, points, judged_only=True)
        body = points.body(unit)
        options = dict(given(options))
        verdicts: list[Mapping[str, Any]] = []
        reply: Mapping[str, Any] = {}
        noted: list[str] = list(points.warnings)
        for start in range(0, len(points), BATCH):
            part = cut(body, start, start + BATCH)
            if start:
                part["context"] = cut(body, max(0, start - CONTEXT), start)
                options["version"] = reply["model_version"]
            request = Request(
                "POST", path("/predict/{id}/batch", id=series_id), body={**part, **options}
            )
            reply = (yield from self.ask(request)).json()
            verdicts += reply["verdicts"]
            noted += [note for note in reply.get("warnings", ()) if note not in noted]
        summary = {
            "detector": reply["detector"],
            "model_version": reply["model_version"],
            "anomalies": sum(verdict["anomaly"] for verdict in verdicts),
        }
        return results.Judged(points, unit, verdicts, {**summary, "warnings": noted}, options)

    def detect(
        self, points: Points, unit: Unit | None, options: Mapping[str, Any]
    ) -> Call[results.Judged]:
        """Fits on the first points and judges the others. A frame has its verdicts as a table."""
        unit = unit or points.times.coarsest()
        options = given(options)
        body = {**points.body(unit), **options}
        tabular = points.frame is not None and len(points.columns) == 1
        if tabular:
            body["form"] = "table"
        reply = (yield from self.ask(Request("POST", "/v1/detect", body=body))).json()
        verdicts = results.joined(reply.pop("blocks")) if tabular else reply.pop("verdicts")
        reply["warnings"] = [*points.warnings, *reply.get("warnings", ())]
        return results.Judged(points, unit, verdicts, reply, options)

    def detect_lines(
        self, points: Points, unit: Unit | None, options: Mapping[str, Any]
    ) -> Call[Lines]:
        """The same, verdict by verdict, and last a Detection."""
        unit = unit or points.times.coarsest()
        request = Request(
            "POST",
            "/v1/detect",
            body={**points.body(unit), **given(options)},
            headers={"accept": "application/x-ndjson"},
            streamed=True,
        )
        reply = yield from self.ask(request)

        def read(line: str) -> Verdict | Detection:
            found = json.loads(line)
            if "summary" not in found:
                return results.verdict(found, points, unit)
            noted = [*points.warnings, *found["summary"].get("warnings", ())]
            summary = {**found["summary"], "warnings": noted}
            return results.Judged(points, unit, [], summary, options).detection()

        return Lines(reply.source, read)

    # Streams

    def observe(
        self, series_id: str, points: Points, query: Mapping[str, Any]
    ) -> Call[results.Judged]:
        """Judges points and learns them. Sending them again is safe."""
        unit = yield from self.unit(series_id, points)
        body = points.body(unit)
        counts: dict[str, int] = {}
        verdicts: list[Mapping[str, Any]] = []
        for start in range(0, len(points), OBSERVED):
            part = cut(body, start, start + OBSERVED)
            request = Request(
                "POST", path("/observe/{id}", id=series_id), params=as_query(query), body=part
            )
            reply = (yield from self.ask(request)).json()
            found = reply.get("verdicts")
            if found is None:  # accepted: they are durable, and will be judged
                found = [{"status": reply["status"]} for _ in part["timestamps"]]
            verdicts += found
            for verdict in found:
                counts[verdict["status"]] = counts.get(verdict["status"], 0) + 1
        self._learn_unit(series_id, body["timestamps"][-1])
        anomalies = sum(bool(verdict.get("anomaly")) for verdict in verdicts)
        alarms = sum(bool(verdict.get("alarm")) for verdict in verdicts)
        summary = {"anomalies": anomalies, "alarms": alarms, "counts": counts}
        summary["warnings"] = points.warnings
        return results.Judged(points, unit, verdicts, summary, {}, observed=True)

    def stream(self, series_id: str) -> Call[Stream]:
        """How far a stream has come."""
        reply = yield from self.ask(Request("GET", path("/v1/series/{id}/stream", id=series_id)))
        return build(Stream, reply.json())

    def set_stream(self, series_id: str, options: Mapping[str, Any]) -> Call[None]:
        """Begins a stream, or replaces its options."""
        where = path("/v1/series/{id}/stream", id=series_id)
        yield from self.ask(Request("PUT", where, body=given(options)))

    def restart_stream(self, series_id: str, origin: str, rewind: bool) -> Call[None]:
        """Begins a stream anew."""
        where = path("/v1/series/{id}/stream/restart", id=series_id)
        body = {"from": origin, "rewind": rewind}
        yield from self.ask(Request("POST", where, body=body, repeatable=False))
        if rewind:
            self.known.pop(series_id, None)

    def end_stream(self, series_id: str) -> Call[None]:
        """Ends a stream."""
        yield from self.gone(
            self.ask(Request("DELETE", path("/v1/series/{id}/stream", id=series_id)))
        )

    # The registry

    def info(self, series_id: str) -> Call[SeriesInfo]:
        """A series with its aliases; its revision is kept for the next change."""
        request = Request("GET", path("/v1/series/{id}", id=series_id))
        reply = (yield from self.about(series_id, request)).json()
        aliases = [build(Alias, alias) for alias in reply["aliases"]]
        return build(SeriesInfo, reply, aliases=aliases)

    def model(self, series_id: str, version: str) -> Call[Model]:
        """One model."""
        where = path("/v1/series/{id}/models/{version}", id=series_id, version=version)
        return build(Model, (yield from self.about(series_id, Request("GET", where))).json())

    def set_alias(self, series_id: str, alias: str, version: str) -> Call[Alias]:
        """Lets an alias name a version, if nobody has changed the series since it was seen."""
        where = path("/v1/series/{id}/aliases/{alias}", id=series_id, alias=alias)
        request = Request("PUT", where, body={"version": version})
        try:
            reply = yield from self.about(series_id, request, guarded=True)
        except errors.PreconditionFailed as error:
            found = yield from self._after_all(series_id, error, alias)
            if found is None or found.version != version:
                raise
            return found
        return build(Alias, reply.json())

    def roll_back(self, series_id: str) -> Call[Alias]:
        """Lets the previous champion serve again."""
        seen = self.series(series_id).etag
        before = yield from self.info(series_id)
        self.series(series_id).etag = seen or self.series(series_id).etag
        previous = next((a.previous for a in before.aliases if a.name == "champion"), None)
        request = Request("POST", path("/v1/series/{id}/rollback", id=series_id), body={})
        try:
            reply = yield from self.about(series_id, request, guarded=True)
        except errors.PreconditionFailed as error:
            found = yield from self._after_all(series_id, error, "champion")
            if found is None or found.version != previous:
                raise
            return found
        return build(Alias, reply.json())

    def _after_all(
        self, series_id: str, error: errors.AnomalyError, alias: str
    ) -> Call[Alias | None]:
        """An alias as it is, after a change whose first reply was lost and whose second try was
        refused: the first may have been carried out."""
        if not error.repeated:
            return None
        info = yield from self.info(series_id)
        return next((found for found in info.aliases if found.name == alias), None)

    def delete(self, series_id: str, rest: str = "", **names: str) -> Call[None]:
        """Deletes a series, or something of it."""
        where = path("/v1/series/{id}" + rest, id=series_id, **names)
        yield from self.gone(self.about(series_id, Request("DELETE", where), guarded=True))
        if not rest:
            self.known.pop(series_id, None)

    def gone(self, call: Call[Reply]) -> Call[None]:
        """Carries out a deletion. If an earlier try got no reply, that it is gone is success."""
        try:
            yield from call
        except errors.NotFound as error:
            if not error.repeated:
                raise

    def export_model(self, series_id: str, version: str) -> Call[bytes]:
        """A model as a file."""
        where = path("/v1/series/{id}/models/{version}/export", id=series_id, version=version)
        return (yield from self.about(series_id, Request("GET", where))).content

    def import_model(self, series_id: str, file: bytes) -> Call[str]:
        """Makes a file the next version, and returns that."""
        request = Request(
            "POST",
            path("/v1/series/{id}/models", id=series_id),
            body=file,
            headers={"idempotency-key": str(uuid.uuid4())},
        )
        return str((yield from self.about(series_id, request)).json()["version"])

    # Lists

    def page(
        self,
        kind: type[T],
        where: str,
        member: str,
        query: Mapping[str, Any],
        *,
        cursor: str = "after",
        of: str | None = None,
    ) -> Callable[[str | None], Call[Page[T]]]:
        """A list, page by page; `of` is the series whose revision it shows."""

        def read(after: str | None) -> Call[Page[T]]:
            request = Request("GET", where, params=as_query({**query, cursor: after}))
            got = yield from (self.ask(request) if of is None else self.about(of, request))
            reply = got.json()
            items = [results.listed(kind, item) for item in reply[member]]
            return Page(items, reply.get("next"))

        return read

    def anomaly(self, anomaly_id: str) -> Call[Anomaly]:
        """One anomaly."""
        reply = yield from self.ask(Request("GET", path("/v1/anomalies/{id}", id=anomaly_id)))
        return results.listed(Anomaly, reply.json())

    def feedback(self, anomaly_id: str, verdict: str, comment: str | None) -> Call[Anomaly]:
        """Says what an anomaly is."""
        where = path("/v1/anomalies/{id}/feedback", id=anomaly_id)
        body = given({"verdict": verdict, "comment": comment})
        return results.listed(
            Anomaly, (yield from self.ask(Request("PUT", where, body=body))).json()
        )

    def remove_feedback(self, anomaly_id: str) -> Call[None]:
        """Takes it back."""
        where = path("/v1/anomalies/{id}/feedback", id=anomaly_id)
        yield from self.gone(self.ask(Request("DELETE", where)))

    def silence(
        self,
        matchers: Sequence[Mapping[str, str]],
        starts_at: datetime | None,
        ends_at: datetime | None,
        comment: str | None,
    ) -> Call[Silence]:
        """Makes a silence. A second try after a lost one could make a second silence."""
        body = {
            "matchers": list(matchers),
            "starts_at": starts_at and times.rfc3339(starts_at),
            "ends_at": ends_at and times.rfc3339(ends_at),
            "comment": comment,
        }
        request = Request("POST", "/v1/silences", body=given(body), repeatable=False)
        return build(Silence, (yield from self.ask(request)).json())

    def end_silence(self, silence_id: str) -> Call[None]:
        """Removes a silence."""
        yield from self.gone(self.ask(Request("DELETE", path("/v1/silences/{id}", id=silence_id))))

    # The rest

    def events(self, series: Sequence[str], last: str | None) -> Call[Lines]:
        """What happens, as server-sent events."""
        params = as_query({"series": ",".join(name.replace(",", "%2C") for name in series) or None})
        headers = {"accept": "text/event-stream", **({"last-event-id": last} if last else {})}
        request = Request("GET", "/v1/events", params=params, headers=headers, streamed=True)
        return Lines((yield from self.ask(request)).source, EventReader().read)

    def picture(self, query: Mapping[str, Any], body: Any = None) -> Call[bytes]:
        """A plot, of a model or of a detection."""
        if body is None:
            request = Request("GET", "/plot", params=as_query(query))
        else:
            request = Request("POST", "/v1/detect/plot", params=as_query(query), body=body)
        return (yield from self.ask(request)).content

    def model_picture(
        self, series_id: str, start: Any, end: Any, query: Mapping[str, Any]
    ) -> Call[bytes]:
        """A plot of a model, from one time to another."""
        known = self.series(series_id)
        if (start is not None or end is not None) and known.unit is None:
            yield from self._ask_unit(series_id)
        return (yield from self.picture({**query, **span(start, end, known.unit)}))

    def system(self) -> Call[dict[str, Any]]:
        """What runs, and how well."""
        reply: dict[str, Any] = (yield from self.ask(Request("GET", "/v1/system"))).json()
        return reply
