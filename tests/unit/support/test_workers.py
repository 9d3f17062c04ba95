"""A parallel run: who gets which tests, and which ports."""

from itertools import pairwise

import pytest

from tests.support.workers import choose, ports_of, rank_of, share_of
from tools.stack.ports import HIGHEST, LOWEST, port_range


def test_a_module_stays_together() -> None:
    one, other = "tests/unit/test_a.py::test_x[1::2]", "tests/unit/test_a.py::TestB::test_y"
    assert share_of(one) == share_of(other) == "tests/unit/test_a.py"


def test_what_is_built_once_stays_together() -> None:
    assert share_of("tests/packages/test_python.py::test_x") == share_of("tests/packages/test_react.py::test_y")


def test_a_process_with_a_system_goes_on_with_end_to_end_tests_and_others_begin_with_them_last() -> None:
    shares = ["tests/unit/a.py", "tests/e2e/b.py", "tests/e2e/c.py", "tests/unit/d.py"]
    assert choose(shares, end_to_end=True) == "tests/e2e/b.py"
    assert choose(shares[1:], end_to_end=False) == "tests/unit/d.py"
    assert choose(shares[1:3], end_to_end=False) == "tests/e2e/b.py"
    assert choose(shares[3:], end_to_end=True) == "tests/unit/d.py"


def test_whole_systems_begin_first_and_unit_tests_last() -> None:
    names = [
        "tests/unit/a.py::t",
        "tests/integration/gateway/a.py::t",
        "tests/integration/stack/a.py::t",
        "tests/e2e/a.py::t",
    ]
    assert sorted(names, key=rank_of) == names[::-1]


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_processes_have_ports_of_their_own(count: int) -> None:
    ranges = [port_range(ports_of(number, count)) for number in range(count)]
    assert ranges[0][0] == LOWEST
    assert ranges[-1][1] <= HIGHEST
    assert all(before[1] < after[0] for before, after in pairwise(ranges))
