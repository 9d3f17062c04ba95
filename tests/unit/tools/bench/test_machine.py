"""What a result says of the machine that it was measured on."""

import platform
import sys

from tools.bench.machine import describe, loop_ns


def test_the_build_of_python_is_named() -> None:
    described = describe()
    assert described["python"] == f"{platform.python_version()} of {sys.base_prefix}"
    assert described["python loop"].endswith(" ns")


def test_a_loop_takes_nanoseconds() -> None:
    assert 1 < loop_ns() < 10_000
