"""luacheck finds nothing in the scripts as Redis gets them: put together from their files, with every placeholder filled."""

import importlib
import pkgutil
import shutil
import subprocess

import pytest

import services
import shared
from shared.redis.scripts import Script

COMMAND = [
    *(
        "luacheck",
        "-",
        "--std",
        "lua51",
        "--read-globals",
        "redis",
        "cjson",
        "cmsgpack",
        "struct",
        "bit",
        "KEYS",
        "ARGV",
    ),
    *("--no-max-line-length", "--formatter", "plain", "--no-color"),
]
SHARED_FUNCTION = "unused function"
"""A file of functions may hold more than one script needs."""


def all_scripts() -> list[Script]:
    """Every script that the services declare, each as a name of a module."""
    found: dict[int, Script] = {}
    for root in (shared, services):
        for module in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if not module.name.endswith("__main__"):
                values = vars(importlib.import_module(module.name)).values()
                found |= {id(value): value for value in values if isinstance(value, Script)}
    return list(found.values())


def complaints(text: str) -> list[str]:
    """What luacheck says of a script."""
    done = subprocess.run(COMMAND, input=text, capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if SHARED_FUNCTION not in line]


@pytest.fixture(scope="module", autouse=True)
def _luacheck() -> None:
    assert shutil.which("luacheck"), "install luacheck (Debian's package is lua-check)"


def test_no_script_has_a_fault() -> None:
    scripts = all_scripts()
    assert len(scripts) > 20
    texts = {
        (script._names, clustered): script._fill("", clustered=clustered)[1]
        for script in scripts
        for clustered in (False, True)
    }
    found = {names: complaints(text) for names, text in texts.items()}
    assert {names: lines for names, lines in found.items() if lines} == {}


def test_a_fault_would_be_found() -> None:
    assert complaints("local place = 1\nreturn plaice\n")
