"""What is shipped is known, licensed for it, and no more than a service needs."""

import json
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from platform import python_version

import pytest
from packaging.utils import canonicalize_name

from tests.unit.deploy.manifests import ROOT
from tools.docs.configuration import SERVICES as SETTINGS
from tools.supply_chain.distributions import SERVICES, Component, components
from tools.supply_chain.licences import is_allowed
from tools.supply_chain.locks import IMAGES, LOCK, image_locks
from tools.supply_chain.sbom import document

OWN = ("chat-backend", "chat-client")
"""What is copied into the images."""


@cache
def image() -> list[Component]:
    """What services' images hold. Half a second of reading, which no process needs that only collects these tests."""
    return components()


@cache
def locks() -> dict[Path, str]:
    """The files that images are built from, as they should be."""
    return image_locks()


def test_each_licence_is_allowed() -> None:
    assert [one for one in image() if not is_allowed(one.name, one.licence)] == []


@pytest.mark.parametrize("licence", ["", "GPL-3.0-only", "MIT AND GPL-3.0-only", "Proprietary", "AGPL-3.0"])
def test_another_licence_is_refused(licence: str) -> None:
    assert not is_allowed("anything", licence)


@pytest.mark.parametrize("licence", ["MIT", "MIT OR Apache-2.0", "Apache-2.0 AND (MIT OR BSD-3-Clause)"])
def test_expressions_are_understood(licence: str) -> None:
    assert is_allowed("anything", licence)


def test_the_image_holds_what_the_dockerfile_installs() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    installed = re.findall(r"--no-deps --require-hashes --requirement (\S+)\.lock", dockerfile)
    assert installed == list(IMAGES)


@pytest.mark.parametrize("name", IMAGES)
def test_images_install_what_the_lock_says(name: str) -> None:
    path = ROOT / f"deploy/image/{name}.lock"
    assert path.read_text(encoding="utf-8") == locks()[path], "run `make lock`"


def test_each_version_of_the_lock_has_hashes() -> None:
    text = LOCK.read_text(encoding="utf-8")
    pinned = re.findall(r"^[\w.-]+==", text, re.MULTILINE)
    assert len(pinned) > 100
    assert len(re.findall(r"^[\w.-]+==\S+.*\\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)) == len(pinned)


def test_services_have_neither_what_migrates_nor_what_operators_need() -> None:
    names = {one.name for one in image()}
    assert names.isdisjoint({"sqlalchemy", "alembic", "typer", "rich", "psutil", "pytest", "testcontainers"})
    assert {"asyncpg", "aio-pika", "redis", "uvicorn"} <= names
    assert {"sqlalchemy", "alembic"} <= {one.name for one in components(("migrations",))}


def test_versions_are_those_of_the_lock() -> None:
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    assert {one.name: one.version for one in image()} == {one.name: locked[one.name] for one in image()}


def test_the_bill_of_materials_names_everything() -> None:
    bill = json.loads(document(image()))
    assert bill["specVersion"] == "1.6"
    assert [one["name"] for one in bill["components"]] == [one.name for one in image()]
    assert all(one["licenses"] and one["purl"].startswith("pkg:pypi/") for one in bill["components"])


IMPORT = """
import importlib, json, sys, traceback

missing = set(sys.argv[1].split())

class Image:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r} in the image", name=name)

sys.meta_path.insert(0, Image())
faults = {}
for name in sys.argv[2:]:
    try:
        importlib.import_module(name)
    except Exception:
        faults[name] = traceback.format_exc()
json.dump(faults, sys.stdout)
"""
"""Imports modules where some packages are missing, and writes why each of them failed that did."""
IMPORTED = {
    SERVICES: (
        *(f"services.{service}.app" for service in SETTINGS),
        # What services import only when they need it.
        "services.media.s3_signing",
        "services.messaging.moderation",
        "tools.devserver",
    ),
    (*SERVICES, "chatctl"): ("tools.docs.configuration", "tools.chatctl.app", "tools.doctor.examine"),
    (*SERVICES, "migrations"): ("migrations.__main__",),
}
"""The extras of an image → what its processes import."""


@cache
def owners() -> dict[str, set[str]]:
    """The name of each package that can be imported → the distributions that brought it. Half a second of reading."""
    return {name: {canonicalize_name(one) for one in found} for name, found in packages_distributions().items()}


@cache
def faults(modules: tuple[str, ...], there: tuple[Component, ...]) -> dict[str, str]:
    """Module → traceback, of those that can't be imported where only some distributions are there, and the project's own.

    One process imports all of them: what they share takes most of its time.
    """
    names = {*(one.name for one in there), *OWN}
    missing = " ".join(name for name, found in owners().items() if names.isdisjoint(found))
    command = [sys.executable, "-c", IMPORT, missing, *modules]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("module", "extras"), [(module, extras) for extras, modules in IMPORTED.items() for module in modules]
)
def test_an_image_holds_all_that_its_processes_import(module: str, extras: tuple[str, ...]) -> None:
    found = faults(IMPORTED[extras], tuple(components(extras, python_version())))
    assert module not in found, found[module]


def test_a_service_does_without_what_migrates() -> None:
    (fault,) = faults(("migrations.__main__",), tuple(components(python=python_version()))).values()
    assert "in the image" in fault
