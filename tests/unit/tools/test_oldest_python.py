"""What is locked can be installed with Debian 12's Python, whatever Python the lock was written with."""

import re
from email.message import Message
from importlib.metadata import distribution
from typing import Final, cast

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tools.supply_chain.locks import LOCK

DEBIAN: Final = "3.11.2"
"""Debian 12's Python, the oldest that `docs/development.md` promises («a new Debian machine»)."""
LOCKED: Final = sorted(re.findall(r"^([\w.-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE))


def test_each_locked_version_takes_the_oldest_python() -> None:
    assert [name for name in LOCKED if DEBIAN not in SpecifierSet(_metadata(name)["Requires-Python"] or "")] == []


def test_what_only_the_oldest_python_needs_is_locked_too() -> None:
    """pip refuses a lock with hashes that lacks a dependency."""
    environment = {"python_version": "3.11", "python_full_version": DEBIAN, "extra": ""}
    needed = [Requirement(text) for name in LOCKED for text in distribution(name).requires or []]
    wanted = {canonicalize_name(one.name) for one in needed if one.marker is None or one.marker.evaluate(environment)}
    assert len(wanted) > 100
    assert wanted - {canonicalize_name(name) for name in LOCKED} == set()


def _metadata(name: str) -> Message:
    # Its type has no `get` before Python 3.12.
    return cast("Message", distribution(name).metadata)
