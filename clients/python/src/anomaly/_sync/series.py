"""Made from the file of this name in `_async` by `tools/twin.py`: change that one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from .. import bodies
from ..data import Data, read
from ..picture import Picture
from ..times import Unit
from ..types import (
    Alias,
    Anomaly,
    Detection,
    Detector,
    FittedModel,
    Model,
    SeriesInfo,
    Sides,
    Stream,
    Verdict,
)
from ..wire import path

if TYPE_CHECKING:
    import pandas
    import polars
    from typing_extensions import Unpack

    from ..data import Pandas, Plain
    from ..options import ObserveFrameOptions, PredictFrameOptions, StreamOptions
    from .client import Client


class Series:
    """A series. Nothing is asked of the platform before the first call."""

    def __init__(self, client: Client, series_id: str, unit: Unit | None) -> None:
        self.series_id = series_id
        self._client = client
        self._calls = client._calls
        if unit is not None:
            self._calls.series(series_id).unit = unit

    def __repr__(self) -> str:
        return f"<Series {self.series_id}>"

    # Models

    def fit(
        self,
        data: Data,
        values: Any = None,
        *,
        detector: Detector | None = None,
        params: Mapping[str, float] | None = None,
        false_alarm_rate: float | None = None,
        direction: Sides | None = None,
        allow_constant: bool | None = None,
        timezone: str | None = None,
        time: str | None = None,
        value: str | Sequence[str] | None = None,
    ) -> FittedModel:
        """Fits a new version on the points in `data`, which may be anything that `detect` takes.

        `detector` is `auto` by default, with `params` of its own. `false_alarm_rate` is the
        fraction of normal points that may be called anomalies, over 0 and at most 0.5; 0.001 by
        default. `direction` is the side on which anomalies count. `allow_constant` takes points
        that all have one value. `timezone` is one whose clocks the season follows, such as
        `Europe/Berlin`. `time` and `value` name columns. Rows without a value are left out, and
        counted in `warnings` of the result. A retry never makes a second version.
        """
        options = {
            "detector": detector,
            "params": params,
            "false_alarm_rate": false_alarm_rate,
            "direction": direction,
            "allow_constant": allow_constant,
            "timezone": timezone,
        }
        points = read(data, values, time=time, value=value)
        return self._client._run(self._calls.fit(self.series_id, points, options))

    def predict(
        self,
        time: Any,
        value: float | Mapping[str, float],
        *,
        version: str | None = None,
        context: Data | None = None,
        false_alarm_rate: float | None = None,
        direction: Sides | None = None,
        min_deviation: float | None = None,
    ) -> Verdict:
        """Judges one point. Nothing is learned from it.

        `time` is a datetime, pandas' or numpy's kind of it, ISO 8601 text, or the number that the
        series counts. `version` is a version or an alias, by default the one that serves. `context`
        are up to 2,048 points just before this one, with which jumps and shapes are seen too.
        """
        options = {
            "version": version,
            "false_alarm_rate": false_alarm_rate,
            "direction": direction,
            "min_deviation": min_deviation,
        }
        point = read([time], bodies.one_row(value))
        before = None if context is None else read(context)
        call = self._calls.predict(self.series_id, point, before, options)
        return self._client._run(call)

    @overload
    def predict_many(
        self, data: Pandas, **options: Unpack[PredictFrameOptions]
    ) -> pandas.DataFrame: ...
    @overload
    def predict_many(
        self, data: polars.DataFrame, **options: Unpack[PredictFrameOptions]
    ) -> polars.DataFrame: ...
    @overload
    def predict_many(
        self, data: Plain, values: Any = None, **options: Unpack[PredictFrameOptions]
    ) -> Detection: ...
    def predict_many(
        self,
        data: Data,
        values: Any = None,
        *,
        version: str | None = None,
        false_alarm_rate: float | None = None,
        direction: Sides | None = None,
        min_deviation: float | None = None,
        time: str | None = None,
        value: str | Sequence[str] | None = None,
    ) -> Any:
        """Judges any number of points by one version; each is context for the next ones.

        Takes and gives what `detect` does: a frame for a frame, or else a Detection.
        """
        options = {
            "version": version,
            "false_alarm_rate": false_alarm_rate,
            "direction": direction,
            "min_deviation": min_deviation,
        }
        points = read(data, values, time=time, value=value)
        call = self._calls.predict_many(self.series_id, points, options)
        return (self._client._run(call)).result()

    def info(self) -> SeriesInfo:
        """The series with its aliases. Changes are then made only to what this has shown."""
        return self._client._run(self._calls.info(self.series_id))

    def models(self) -> Iterator[Model]:
        """All models, the newest first."""
        where = path("/v1/series/{id}/models", id=self.series_id)
        query = {"limit": 1000}
        return self._client._all(
            self._calls.page(Model, where, "models", query, cursor="before", of=self.series_id)
        )

    def model(self, version: str) -> Model:
        """One model, by its version or an alias."""
        return self._client._run(self._calls.model(self.series_id, version))

    def promote(self, version: str, alias: str = "champion") -> Alias:
        """Lets a version serve whatever is fitted later; or another alias name it.

        Raises PreconditionFailed if somebody else has changed the series since you saw it.
        """
        return self._client._run(self._calls.set_alias(self.series_id, alias, version))

    def rollback(self) -> Alias:
        """Lets the version serve that did before the last promotion. Two of them cancel out.

        Raises Conflict if there is none, and PreconditionFailed as `promote` does.
        """
        return self._client._run(self._calls.roll_back(self.series_id))

    def unpin(self, alias: str = "champion") -> None:
        """Removes an alias. Without `champion` the newest version serves."""
        rest = "/aliases/{alias}"
        self._client._run(self._calls.delete(self.series_id, rest, alias=alias))

    def delete_model(self, version: str) -> None:
        """Deletes a model and its training points. Raises Conflict if an alias names it."""
        rest = "/models/{version}"
        self._client._run(self._calls.delete(self.series_id, rest, version=version))

    def delete(self) -> None:
        """Deletes the models, the stream, the points and the anomalies of the series."""
        self._client._run(self._calls.delete(self.series_id))

    def export_model(self, version: str) -> bytes:
        """A model as a file, to be kept byte for byte."""
        return self._client._run(self._calls.export_model(self.series_id, version))

    def import_model(self, file: bytes) -> str:
        """Makes an exported model the next version, which it returns."""
        return self._client._run(self._calls.import_model(self.series_id, file))

    def plot(
        self,
        version: str | None = None,
        *,
        start: Any = None,
        end: Any = None,
        width: int = 800,
        height: int = 400,
        scale: float = 2,
    ) -> Picture:
        """A picture of a model: its training points, its normal range, the anomalies among them."""
        query: dict[str, Any] = {"series_id": self.series_id, "version": version}
        query |= {"width": width, "height": height, "scale": scale}
        call = self._calls.model_picture(self.series_id, start, end, query)
        return Picture(self._client._run(call))

    # Streams

    def observe(
        self,
        time: Any,
        value: float,
        *,
        wait_ms: int | None = None,
        notify: bool | None = None,
    ) -> Verdict:
        """Judges a point and learns it. `status` of the verdict says what became of it.

        `wait_ms` is how long to wait for the verdict, in milliseconds; if it takes longer, the
        status is `accepted`. `notify=False` is for history: nobody is told of what is found.
        Observing a point again is safe.
        """
        query = {"wait_ms": wait_ms, "notify": notify}
        point = read([time], [value])
        judged = self._client._run(self._calls.observe(self.series_id, point, query))
        found: Verdict = judged.result().verdicts[0]
        return found

    @overload
    def observe_many(
        self, data: Pandas, **options: Unpack[ObserveFrameOptions]
    ) -> pandas.DataFrame: ...
    @overload
    def observe_many(
        self, data: polars.DataFrame, **options: Unpack[ObserveFrameOptions]
    ) -> polars.DataFrame: ...
    @overload
    def observe_many(
        self, data: Plain, values: Any = None, **options: Unpack[ObserveFrameOptions]
    ) -> Detection: ...
    def observe_many(
        self,
        data: Data,
        values: Any = None,
        *,
        wait_ms: int | None = None,
        notify: bool | None = None,
        time: str | None = None,
        value: str | Sequence[str] | None = None,
    ) -> Any:
        """The same for many points, in the order of time. Takes and gives what `detect` does."""
        query = {"wait_ms": wait_ms, "notify": notify}
        points = read(data, values, time=time, value=value)
        return (self._client._run(self._calls.observe(self.series_id, points, query))).result()

    def stream(self) -> Stream:
        """How far the stream of the series has come."""
        return self._client._run(self._calls.stream(self.series_id))

    def set_stream(self, **options: Unpack[StreamOptions]) -> None:
        """Begins a stream, or replaces all of its options."""
        self._client._run(self._calls.set_stream(self.series_id, options))

    def restart_stream(self, origin: str = "champion", *, rewind: bool = False) -> None:
        """Begins the stream anew, from a version, an alias, or `nothing`.

        With `rewind` the next points may have any timestamp.
        """
        self._client._run(self._calls.restart_stream(self.series_id, origin, rewind))

    def end_stream(self) -> None:
        """Ends the stream. Its anomalies stay."""
        self._client._run(self._calls.end_stream(self.series_id))

    def anomalies(self) -> Iterator[Anomaly]:
        """Anomalies that the stream has found, the newest first."""
        return self._client.anomalies(series=self.series_id)
