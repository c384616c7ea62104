"""From values to places on an axis, and where its ticks stand: linear, logarithmic, time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Tick = tuple[float, str]


class Scale(Protocol):
    """An axis between two places in the picture."""

    def place(self, value: float) -> float:
        """Where a value stands, in units of the picture."""

    def ticks(self) -> list[Tick]:
        """Values to mark, and what stands beside the marks."""


@dataclass(frozen=True)
class Linear:
    """Equal steps. `low` < `high` are the values at the places `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where a value stands."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[Tick]:
        """Three to six round values: 1, 2 or 5 times a power of ten apart."""
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [(place * step, short(place * step)) for place in range(first, last + 1)]


@dataclass(frozen=True)
class Log:
    """Equal ratios, for counts. 0 stands half a decade below 1, and what lies between them between.

    `high` is at least 1; `low` is 0 or at least 1.
    """

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where a value stands."""
        bottom, top = _height(self.low), max(_height(self.high), _height(self.low) + 0.1)
        return self.start + (_height(value) - bottom) / (top - bottom) * (self.end - self.start)

    def ticks(self) -> list[Tick]:
        """Powers of ten, at most about five of them; with 2 and 5 between where there are fewer than two decades."""
        decades = range(math.ceil(math.log10(max(self.low, 1)) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
        every = max(1, math.ceil(len(decades) / 5))
        values: list[float] = [10.0**decade for decade in decades if (decade - decades[0]) % every == 0]
        if len(decades) <= 2:
            between = [factor * 10.0**decade for decade in range(-1, 16) for factor in (2, 5)]
            values += [value for value in between if max(self.low, 1) <= value <= self.high]
        zero = [(0.0, "0")] if self.low < 1 else []
        return zero + [(value, short(value)) for value in sorted(values)]


@dataclass(frozen=True)
class Time:
    """Times in seconds since 1970, UTC."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Where a time stands."""
        return Linear(self.low, self.high, self.start, self.end).place(value)

    def ticks(self) -> list[Tick]:
        """The beginnings of years, months, days, hours, minutes or seconds: at most six."""
        for unit, step, most in _CALENDAR:
            first, last = (_calendar_place(when, unit) for when in (math.floor(self.low), math.ceil(self.high)))
            if (last - first) // step > most:
                continue
            places = np.arange(-(-first // step) * step, last + 1, step).astype(f"M8[{unit}]")
            times = zip(places.astype("M8[s]").astype(np.int64).tolist(), places.astype(str).tolist(), strict=True)
            return [(when, _moment(text, unit)) for when, text in times if self.low <= when <= self.high]
        return []


_CALENDAR = [
    ("s", 1, 4), ("s", 5, 4), ("s", 15, 4), ("m", 1, 6), ("m", 5, 6), ("m", 15, 6), ("h", 1, 6), ("h", 3, 6),
    ("h", 6, 6), ("D", 1, 6), ("D", 2, 6), ("D", 7, 6), ("M", 1, 6), ("M", 3, 6), ("M", 6, 6), ("Y", 1, 6),
    ("Y", 2, 6), ("Y", 5, 6), ("Y", 10, 6), ("Y", 50, 6), ("Y", 500, 6), ("Y", 100_000, 6), ("Y", 10**11, 6),
]  # fmt: skip
"""Unit, step, and how many steps fit, so that the labels do not touch."""

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905 - as in a calendar


def _calendar_place(seconds: int, unit: str) -> int:
    """Units since 1970, rounded down."""
    return int(np.array([seconds], np.int64).astype("M8[s]").astype(f"M8[{unit}]").astype(np.int64)[0])


def _moment(text: str, unit: str) -> str:
    """What stands at the beginning of a second, minute, hour, day, month or year, from its text in ISO 8601."""
    day, _, clock = text.partition("T")
    if unit == "D":
        return f"{int(day[-2:])} {_MONTHS[int(day[-5:-3]) - 1]}"
    return clock if unit in "sm" else f"{clock}:00" if unit == "h" else day


def _height(value: float) -> float:
    return math.log10(value) if value >= 1 else (value - 1) / 2


def short(value: float) -> str:
    """A number in a few characters: 1,500, 20k, 3M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):g}{letter}"
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"
