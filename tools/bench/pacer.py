"""Calls a function at exact times, by a kernel timer, because event loops round their timers to whole milliseconds."""

import asyncio
import ctypes
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Final

_CLOCK_MONOTONIC: Final = 1
_TFD_NONBLOCK: Final = os.O_NONBLOCK
_TFD_TIMER_ABSTIME: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


def arrivals(rate: float, seconds: float, chance: random.Random) -> Iterator[float]:
    """Seconds after the start at which independent users act: a Poisson process of `rate` a second."""
    at = chance.expovariate(rate)
    while at < seconds:
        yield at
        at += chance.expovariate(rate)


async def pace(times: Iterator[float], act: Callable[[float], None]) -> None:
    """Call `act(intended)` at each of `times` (seconds after now, ascending); `intended` is on `time.perf_counter`.

    Late calls are made at once, and keep their intended time: the load doesn't wait for the system (open loop).
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    start = time.perf_counter()
    offset = time.monotonic() - start
    timer = _LIBC.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK)
    if timer < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    upcoming = next(times, None)

    def arm(at: float) -> None:
        seconds, fraction = divmod(start + at + offset, 1)
        when = _Itimerspec(_Timespec(0, 0), _Timespec(int(seconds), int(fraction * 1e9)))
        _LIBC.timerfd_settime(timer, _TFD_TIMER_ABSTIME, ctypes.byref(when), None)

    def on_time() -> None:
        nonlocal upcoming
        try:
            os.read(timer, 8)
        except BlockingIOError:
            # The timer was set again in between.
            return
        now = time.perf_counter() - start
        while upcoming is not None and upcoming <= now:
            act(start + upcoming)
            upcoming = next(times, None)
        if upcoming is not None:
            arm(upcoming)
        elif not done.done():
            done.set_result(None)

    if upcoming is None:
        os.close(timer)
        return
    loop.add_reader(timer, on_time)
    try:
        arm(upcoming)
        await done
    finally:
        loop.remove_reader(timer)
        os.close(timer)
