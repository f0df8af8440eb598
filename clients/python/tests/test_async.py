"""The asynchronous twin."""

from __future__ import annotations

import asyncio
import inspect

import pandas as pd
from conftest import hourly

from anomaly import AsyncClient, AsyncSeries, Client, Series


def test_it_has_the_same_methods() -> None:
    for one, other in ((Client, AsyncClient), (Series, AsyncSeries)):
        names = [name for name in dir(one) if not name.startswith("_")]
        assert names == [name for name in dir(other) if not name.startswith("_")]
        for name in names:
            ours, theirs = getattr(one, name), getattr(other, name)
            assert list(inspect.signature(ours).parameters) == list(
                inspect.signature(theirs).parameters
            )
            assert ours.__doc__ == theirs.__doc__ and ours.__doc__


def test_it_gives_the_same(url: str, name: str, client: Client) -> None:
    temp = hourly(odd=(500,), tz="Europe/Berlin")

    async def run() -> None:
        async with AsyncClient(url, timeout=60) as a:
            series = a.series(name)
            assert (await series.fit(temp)).version == "v1"
            points = zip(temp.index[:5], temp, strict=False)
            verdicts = await asyncio.gather(*(series.predict(t, v) for t, v in points))
            assert [v.time for v in verdicts] == temp.index[:5].tolist()
            assert [model.version async for model in series.models()] == ["v1"]
            out = await a.detect(temp)
            pd.testing.assert_frame_equal(out, client.detect(temp))
            stream = a.detect_stream(temp)
            scores = [verdict.score async for verdict in stream]
            assert scores == out.score.dropna().tolist() and stream.detection is not None
            assert (await series.promote("v1")).version == "v1"
            assert (await series.observe(temp.index[-1] + pd.Timedelta("1h"), 20.0)).status
            async for event in a.events(name):
                assert event.event
                break
            assert (await a.plot(out)).png.startswith(b"\x89PNG")

    asyncio.run(run())


def test_a_lost_reply_is_asked_for_again(url: str, name: str) -> None:
    import httpx

    class Flaky(httpx.AsyncHTTPTransport):
        tries = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            if request.url.path.startswith("/fit"):
                self.tries += 1
                if self.tries == 1:
                    await response.aread()
                    raise httpx.ReadError("reset")
            return response

    async def run() -> None:
        transport = Flaky()
        async with AsyncClient(url, timeout=60, transport=transport) as a:
            assert (await a.series(name).fit(hourly(100))).version == "v1"
            assert transport.tries == 2 and (await a.series(name).info()).models == 1

    asyncio.run(run())
