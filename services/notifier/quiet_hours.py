"""Quiet hours: a daily span of local time in which a user gets no pushes."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

MINUTES_A_DAY: Final = 24 * 60


@cache
def time_zones() -> frozenset[str]:
    """Return the IANA time zone names, with links, from the package tzdata, so that they are the same everywhere."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` (inclusive) to `end` (exclusive), minutes after local midnight; over midnight when `start` > `end`.

    Raises ValueError for an unknown time zone, and when both are equal, which could mean always or never.
    """

    time_zone: str
    start: int
    end: int

    def __post_init__(self) -> None:
        if self.time_zone not in time_zones():
            raise ValueError(f"timeZone: {self.time_zone[:64]!r} is not an IANA time zone such as Europe/Berlin")
        if not (0 <= self.start < MINUTES_A_DAY and 0 <= self.end < MINUTES_A_DAY):
            raise ValueError("from, to: must be times of day, HH:MM")
        if self.start == self.end:
            raise ValueError("from, to: must differ; to be left in peace all day, set mutedUntil")

    def cover(self, now: datetime) -> bool:
        """Return True when the user's local time at `now` (with a time zone) is in the span.

        Daylight saving time is respected.
        """
        local = now.astimezone(ZoneInfo(self.time_zone))
        minute = local.hour * 60 + local.minute
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


def minutes_of(text: str) -> int:
    """Return the minutes after midnight of `HH:MM`. Raises ValueError for anything else."""
    hours, colon, minutes = text.partition(":")
    if len(text) != 5 or colon != ":" or not (text.isascii() and (hours + minutes).isdigit()):
        raise ValueError("must be HH:MM")
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError("must be HH:MM, from 00:00 to 23:59")
    return int(hours) * 60 + int(minutes)


def text_of(minutes: int) -> str:
    """Return `HH:MM` of minutes after midnight."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
