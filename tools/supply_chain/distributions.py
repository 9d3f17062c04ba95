"""The distributions in an image: the project's dependencies with some extras, and their dependencies."""

import sys
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import Distribution, distribution
from typing import Final, cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT: Final = "chat-backend"
SERVICES: Final = ("notifier", "media", "webhooks", "messaging", "tracing")
"""The extras of the services' image (Dockerfile)."""
IMAGE_PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}.99"
"""Images have the newest patch version of Python, which needs fewer packages than an older one on this machine."""


@dataclass(frozen=True, order=True, slots=True)
class Component:
    """An installed distribution. `licence`: an SPDX expression, or what its classifiers say."""

    name: str
    version: str
    licence: str


def components(extras: tuple[str, ...] = SERVICES, python: str = IMAGE_PYTHON) -> list[Component]:
    """Everything that the project needs with these extras, without itself, by name, on this version of Python.

    Raises PackageNotFoundError.
    """
    seen: dict[tuple[str, str], Distribution] = {}
    waiting = [(PROJECT, extra) for extra in ("", *extras)]
    while waiting:
        name, extra = waiting.pop()
        key = (canonicalize_name(name), extra)
        if key in seen:
            continue
        found = seen[key] = distribution(name)
        for text in found.requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": extra, "python_full_version": python}):
                waiting += [(needed.name, one) for one in ("", *needed.extras)]
    found_by_name = {name: found for (name, _), found in seen.items() if name != PROJECT}
    return sorted(Component(name, found.version, licence_of(found)) for name, found in found_by_name.items())


def licence_of(found: Distribution) -> str:
    """By its metadata (Core metadata, «License-Expression», or classifiers); '' when they say nothing."""
    # Its type has no `get` before Python 3.12.
    metadata = cast("Message", found.metadata)
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classified = [
        value.rpartition("::")[2].strip()
        for value in metadata.get_all("Classifier") or []
        if value.startswith("License ::") and not value.endswith("OSI Approved")
    ]
    text = str(metadata.get("License") or "")
    return " AND ".join(classified) or text.partition("\n")[0].strip()
