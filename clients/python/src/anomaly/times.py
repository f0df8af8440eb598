"""Times and the units they are counted in.

The platform takes whole numbers, and tells their unit by their size. So everything here is exact
arithmetic on integers: a time that a unit cannot hold is refused, never rounded.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import cached_property
from typing import Any, Literal, TypeAlias

from .errors import InvalidData

Unit: TypeAlias = Literal["s", "ms", "us", "ns"]
#: A moment, or a plain number where the series counts no time since 1970.
Time: TypeAlias = datetime | int

UNITS: tuple[Unit, ...] = ("s", "ms", "us", "ns")
NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class NaiveTimeWarning(UserWarning):
    """Times without a zone were taken as UTC."""


@dataclass(frozen=True)
class Times:
    """Times as whole numbers. `unit` is None for numbers that the caller has counted himself.

    `zone` is that of the dates that came in, None if they had none.
    """

    numbers: Sequence[int]
    unit: Unit | None
    zone: tzinfo | None = None

    @cached_property
    def divisor(self) -> int:
        """The greatest number that divides all of them."""
        return math.gcd(*self.numbers)

    def coarsest(self) -> Unit | None:
        """The coarsest unit that holds all of them exactly."""
        if self.unit is None:
            return unit_of_all(self.numbers)
        for unit in UNITS:
            per = NANOSECONDS[unit] // NANOSECONDS[self.unit]
            if per > 1 and self.divisor % per == 0:
                return unit
        return self.unit

    def counted_in(self, unit: Unit | None) -> Sequence[int]:
        """The same times in `unit`.

        Raises InvalidData for the first one that would not be exact, or does not fit.
        """
        if self.unit is None:
            return self._checked(unit)
        if unit is None or unit == self.unit:
            return self.numbers
        have, want = NANOSECONDS[self.unit], NANOSECONDS[unit]
        if have > want:
            per = have // want
            return [number * per for number in self.numbers]
        per = want // have
        if self.divisor % per == 0:
            return [number // per for number in self.numbers]
        row = next(row for row, number in enumerate(self.numbers) if number % per)
        shown = shown_time(self.numbers[row], self.unit)
        raise InvalidData(
            f"timestamps[{row}]: {shown} is finer than {NAMES[unit]}, the unit of the series"
        )

    def _checked(self, unit: Unit | None) -> Sequence[int]:
        """Numbers stay as they are, but not those of another unit."""
        have = unit_of_all(self.numbers)
        if unit is not None and have is not None and have != unit:
            raise InvalidData(
                f"timestamps: {self.numbers[0]} counts {NAMES[have]}, and the series {NAMES[unit]}"
            )
        return self.numbers


def unit_of(number: int) -> Unit | None:
    """The unit of a timestamp, told by its size as the platform does; None for a counter."""
    digits = len(str(number)) if number > 0 else 0
    by_digits: dict[int, Unit] = {
        9: "s",
        10: "s",
        12: "ms",
        13: "ms",
        15: "us",
        16: "us",
        18: "ns",
        19: "ns",
    }
    return by_digits.get(digits)


def unit_of_all(numbers: Sequence[int]) -> Unit | None:
    """The one unit of all timestamps. Raises InvalidData if there are several."""
    if not numbers:
        return None
    least, greatest = min(numbers), max(numbers)
    units = {unit_of(least), unit_of(greatest)} - {None}
    if len(units) > 1:
        raise InvalidData(f"timestamps: {least} and {greatest} do not count in the same unit")
    return units.pop() if units else None


def one(time: Any) -> Times:
    """A single time: a number, a datetime, pandas' or numpy's kind of it, or ISO 8601 text."""
    return many([time])


def many(times: Sequence[Any]) -> Times:
    """Times of a sequence, all numbers or all moments."""
    numbers: list[int] = []
    counted = [_is_number(time) for time in times]
    any_naive = False
    for row, time in enumerate(times):
        try:
            if counted[row] != counted[0]:
                raise InvalidData(f"{time!r}: numbers and dates do not mix")
            number, naive = (_whole(time), False) if counted[row] else _nanoseconds(time)
        except InvalidData as fault:
            raise InvalidData(f"timestamps[{row}]: {fault.detail}") from None
        numbers.append(number)
        any_naive = any_naive or naive
    if any_naive:
        warn_naive()
    if not counted or counted[0]:
        return Times(numbers, None)
    return Times(numbers, "ns", None if any_naive else _zone(times[0]))


def _zone(time: Any) -> tzinfo | None:
    zone: tzinfo | None = getattr(time, "tzinfo", timezone.utc)
    return zone


def _is_number(time: Any) -> bool:
    return (hasattr(time, "__index__") or isinstance(time, float)) and not isinstance(time, bool)


def _whole(number: Any) -> int:
    if isinstance(number, float) and not number.is_integer():
        raise InvalidData(f"{number!r} is not a whole number: count in milliseconds, or give dates")
    if not -(2**63) <= number < 2**63:
        raise InvalidData(f"{number!r} does not fit into 64 bits")
    return int(number)


def _nanoseconds(time: Any) -> tuple[int, bool]:
    """Nanoseconds since 1970, and whether the time had no zone."""
    if isinstance(time, str):
        text = time.strip()
        try:
            time = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
        except ValueError:
            raise InvalidData(f"{text!r} is not a time") from None
    naive = getattr(time, "tzinfo", None) is None
    if hasattr(time, "asm8"):  # pandas.Timestamp, which is finer than a datetime
        time = time.asm8
    if isinstance(time, datetime):
        aware = time.replace(tzinfo=timezone.utc) if naive else time
        return (aware - EPOCH) // _MICROSECOND * 1000, naive
    if isinstance(time, date):
        return (time - EPOCH.date()).days * 86_400 * 10**9, True
    if type(time).__name__ == "datetime64":
        return _nanoseconds_of_numpy(time), naive
    raise InvalidData(f"{time!r} is not a time")


def _nanoseconds_of_numpy(time: Any) -> int:
    import numpy

    unit, step = numpy.datetime_data(time.dtype)
    if unit not in NANOSECONDS:
        time, unit, step = time.astype("datetime64[s]"), "s", 1
    if numpy.isnat(time):
        raise InvalidData("there is no time (NaT)")
    return int(time.astype("int64")) * step * NANOSECONDS[unit]


def to_datetime(timestamp: int, unit: Unit | None = None, zone: tzinfo = timezone.utc) -> Time:
    """The moment that a timestamp of the platform counts.

    Without `unit` it is told by the size. A number that counts no time since 1970, or that a
    datetime cannot hold exactly, stays as it is.
    """
    unit = unit or unit_of(timestamp)
    if unit is None:
        return timestamp
    microseconds, rest = divmod(timestamp * NANOSECONDS[unit], 1000)
    if rest:
        return timestamp
    try:
        return (EPOCH + timedelta(microseconds=microseconds)).astimezone(zone)
    except OverflowError:
        return timestamp


def shown_time(number: int, unit: Unit | None) -> str:
    """A time in an error text."""
    time = to_datetime(number, unit) if unit else number
    return time.isoformat() if isinstance(time, datetime) else f"{number} {unit or ''}".strip()


def moment(text: str | None) -> datetime | None:
    """A time as the platform writes it: RFC 3339 in UTC."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def rfc3339(time: datetime) -> str:
    """A time as the platform reads it."""
    if time.tzinfo is None:
        warn_naive()
        time = time.replace(tzinfo=timezone.utc)
    return time.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def warn_naive() -> None:
    """Warns where the caller's code is, outside of this package."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame, depth = frame.f_back, depth + 1
    text = "the times have no zone and are taken as UTC: give them one, say with tz_localize"
    warnings.warn(text, NaiveTimeWarning, stacklevel=depth)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == __name__.partition(".")[0]
