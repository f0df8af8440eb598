"""`AsyncClient`. `tools/twin.py` makes `Client` from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, overload

import httpx

from .. import bodies, errors, transport
from ..calls import Calls, Lines
from ..data import Data, read
from ..frames import detection
from ..picture import Picture
from ..times import Unit
from ..transport import Settings
from ..types import (
    Anomaly,
    Detection,
    Event,
    SeriesInfo,
    Severity,
    Silence,
    Verdict,
)
from ..wire import Call, Lost, Reply, Send, Sleep, T
from .series import AsyncSeries

if TYPE_CHECKING:
    import pandas
    import polars
    from typing_extensions import Self, Unpack

    from ..data import Pandas, Plain
    from ..options import DetectFrameOptions, DetectOptions, FitOptions

#: The items that a page of a list has.
PAGE = 1000


class AsyncClient:
    """A client of the anomaly detection platform.

    `url` is its address, with a path if it has one; by default ANOMALY_URL, or this machine.
    `api_key` is by default ANOMALY_API_KEY. `timeout` is in seconds, for connecting and for each
    reply. Failed requests are sent again up to `retries` times where that does no harm, after the
    pause that the platform asks for. Every call may raise an AnomalyError. Use it in `with`, or
    close it. One client may be used by many callers at once.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 10.0,
        retries: int = 2,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._settings = Settings.of(url, api_key, timeout)
        self._calls = Calls(max(0, retries))
        self._http = httpx.AsyncClient(
            transport=transport, limits=httpx.Limits(keepalive_expiry=60)
        )

    def __repr__(self) -> str:
        return f"<AsyncClient {self._settings.url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    # Detection

    @overload
    async def detect(
        self, data: Pandas, **options: Unpack[DetectFrameOptions]
    ) -> pandas.DataFrame: ...
    @overload
    async def detect(
        self, data: polars.DataFrame, **options: Unpack[DetectFrameOptions]
    ) -> polars.DataFrame: ...
    @overload
    async def detect(
        self, data: Plain, values: Any = None, **options: Unpack[DetectFrameOptions]
    ) -> Detection: ...
    async def detect(
        self,
        data: Data,
        values: Any = None,
        *,
        train: float | None = None,
        min_deviation: float | None = None,
        time: str | None = None,
        value: str | Sequence[str] | None = None,
        unit: Unit | None = None,
        **options: Unpack[FitOptions],
    ) -> Any:
        """Fits on the first points of a series, judges the others, and keeps nothing.

        `data` is a pandas Series or DataFrame, a polars DataFrame, times with `values`, or the path
        of a CSV file. A frame comes back with its rows, its order and its index, and columns for
        the verdicts; `frame.detection` has the episodes. Other data give a Detection.

        `train` is how many points to fit on: a fraction below 1 (750 points at most; 0.15 by
        default) or a number. `min_deviation` is the smallest distance from what is expected that
        counts. `time` and `value` name columns, several values for a series of several columns;
        `unit` is that of the timestamps that are sent, by default the coarsest that is exact. The
        other options are those of `fit`. Raises InvalidData before anything is sent.
        """
        points = read(data, values, time=time, value=value)
        asked = {"train": train, "min_deviation": min_deviation, **options}
        return (await self._run(self._calls.detect(points, unit, asked))).result()

    def detect_stream(
        self,
        data: Data,
        values: Any = None,
        *,
        time: str | None = None,
        value: str | Sequence[str] | None = None,
        unit: Unit | None = None,
        **options: Unpack[DetectOptions],
    ) -> AsyncVerdicts:
        """The same, verdict by verdict, as soon as each is known.

        When all were read, `.detection` of what this returns has episodes, season and warnings.
        """
        points = read(data, values, time=time, value=value)
        return AsyncVerdicts(self, self._calls.detect_lines(points, unit, options))

    async def plot(
        self,
        data: Data,
        values: Any = None,
        *,
        title: str | None = None,
        start: Any = None,
        end: Any = None,
        width: int = 800,
        height: int = 400,
        scale: float = 2,
        time: str | None = None,
        value: str | Sequence[str] | None = None,
        unit: Unit | None = None,
        **options: Unpack[DetectOptions],
    ) -> Picture:
        """A picture of what `detect` finds: of its result, or of the same data and options.

        `start` and `end` are the first and the last time to show; `width` and `height` are in
        pixels, of which the picture has `scale` for each.
        """
        asked: Mapping[str, Any] = options
        if values is None and "anomaly" in getattr(data, "columns", ()):
            found = detection(data)
            asked, time, value = {**found.options, **options}, found.time, found.columns
        points = read(data, values, time=time, value=value)
        unit = unit or points.times.coarsest()
        query = {"title": title, "width": width, "height": height, "scale": scale}
        query.update(bodies.span(start, end, unit))
        body = bodies.plot_body(points, unit, asked)
        return Picture(await self._run(self._calls.picture(query, body)))

    # Series

    def series(self, series_id: str, *, unit: Unit | None = None) -> AsyncSeries:
        """A series, by its id. Asks nothing.

        `unit` is that of its timestamps; by default the one that the platform has them in, or that
        of the first points that are sent.
        """
        return AsyncSeries(self, series_id, unit)

    def list_series(self, prefix: str | None = None) -> AsyncIterator[SeriesInfo]:
        """All series, sorted by id."""
        query = {"prefix": prefix, "limit": PAGE}
        return self._all(self._calls.page(SeriesInfo, "/v1/series", "series", query))

    # What streams have found

    def anomalies(
        self,
        *,
        series: str | None = None,
        prefix: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        severity: Severity | None = None,
        status: Literal["open", "closed"] | None = None,
        kind: str | None = None,
        label: str | None = None,
        order: Literal["time", "ratio"] | None = None,
    ) -> AsyncIterator[Anomaly]:
        """Anomalies that streams have found, the newest first.

        `since` and `until` are about when one was found, `severity` is the least, `label` is
        `name=value`, `order="ratio"` has the strongest first.
        """
        query = {
            "series": series,
            "prefix": prefix,
            "since": since,
            "until": until,
            "severity": severity,
            "status": status,
            "kind": kind,
            "label": label,
            "order": order,
            "limit": PAGE,
        }
        return self._all(self._calls.page(Anomaly, "/v1/anomalies", "anomalies", query))

    async def anomaly(self, anomaly_id: str) -> Anomaly:
        """One anomaly."""
        return await self._run(self._calls.anomaly(anomaly_id))

    async def confirm(self, anomaly_id: str, comment: str | None = None) -> Anomaly:
        """Says that an anomaly is one: the next fit leaves out its points."""
        return await self._run(self._calls.feedback(anomaly_id, "confirmed", comment))

    async def dismiss(self, anomaly_id: str, comment: str | None = None) -> Anomaly:
        """Says that an anomaly is none: for 30 days people are told of stronger ones only."""
        return await self._run(self._calls.feedback(anomaly_id, "dismissed", comment))

    async def remove_feedback(self, anomaly_id: str) -> None:
        """Takes back what was said about an anomaly."""
        await self._run(self._calls.remove_feedback(anomaly_id))

    def silences(self) -> AsyncIterator[Silence]:
        """All silences."""
        return self._all(self._calls.page(Silence, "/v1/silences", "silences", {}))

    async def silence(
        self,
        *matchers: tuple[str, str, str],
        ends_at: datetime,
        starts_at: datetime | None = None,
        comment: str | None = None,
    ) -> Silence:
        """Makes a silence: nobody is told of anomalies of the series that match.

        A matcher is a label or `series`, one of `=`, `!=`, `=~`, `!~`, and a value; all must hold.
        """
        named = [{"name": name, "op": op, "value": value} for name, op, value in matchers]
        return await self._run(self._calls.silence(named, starts_at, ends_at, comment))

    async def end_silence(self, silence_id: str) -> None:
        """Removes a silence."""
        await self._run(self._calls.end_silence(silence_id))

    async def events(self, *series: str) -> AsyncIterator[Event]:
        """What happens, as it happens, for ever: anomalies of all series, and the changes of those
        that are named. Goes on by itself when the connection ends, without losing an anomaly.
        """
        last: str | None = None
        while True:
            lines = await self._run(self._calls.events(series, last))
            try:
                async for event in self._read(lines):
                    last = event.event_id or last
                    yield event
            except errors.NotConnected:
                pass
            await asyncio.sleep(1.0)

    async def system(self) -> dict[str, Any]:
        """What runs, and how well."""
        return await self._run(self._calls.system())

    # Carrying out

    async def _run(self, call: Call[T]) -> T:
        """Carries out a call, step by step."""
        answer: Reply | None = None
        lost: Lost | None = None
        while True:
            try:
                step = call.send(answer) if lost is None else call.throw(lost)
            except StopIteration as done:
                result: T = done.value
                return result
            answer = lost = None
            try:
                if isinstance(step, Sleep):
                    await asyncio.sleep(step.seconds)
                else:
                    answer = await self._send(step)
            except Lost as error:
                lost = error

    async def _send(self, send: Send) -> Reply:
        request = self._http.build_request(**self._settings.request(send))
        try:
            response = await self._http.send(request, stream=True)
            streamed = send.streamed and response.status_code == 200
            if not streamed:
                await response.aread()
        except httpx.RequestError as error:
            raise transport.lost(error) from error
        return transport.reply(response, streamed)

    async def _all(self, page: Any) -> AsyncIterator[Any]:
        """The items of a list, page after page."""
        after: str | None = None
        while True:
            found = await self._run(page(after))
            for item in found.items:
                yield item
            after = found.after
            if after is None:
                return

    async def _read(self, lines: Lines) -> AsyncIterator[Any]:
        """The items of an open reply. Raises NotConnected if it breaks off."""
        try:
            async for line in lines.source.aiter_lines():
                item = lines.read(line)
                if item is not None:
                    yield item
        except httpx.RequestError as error:
            raise transport.lost(error).error from error
        finally:
            await lines.source.aclose()


class AsyncVerdicts:
    """Verdicts as they become known. `detection` is there when all were read."""

    def __init__(self, client: AsyncClient, call: Call[Lines]) -> None:
        self.detection: Detection | None = None
        self._items = self._verdicts(client, call)

    def __aiter__(self) -> AsyncIterator[Verdict]:
        return self._items

    async def __anext__(self) -> Verdict:
        return await self._items.__anext__()

    async def _verdicts(self, client: AsyncClient, call: Call[Lines]) -> AsyncIterator[Verdict]:
        lines = await client._run(call)
        async for item in client._read(lines):
            if isinstance(item, Detection):
                self.detection = item
            else:
                yield item
        if self.detection is None:
            raise errors.NotConnected("the verdicts broke off before the last one")
