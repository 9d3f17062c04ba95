"""The bill of materials as CycloneDX 1.6 JSON (https://cyclonedx.org/docs/1.6/json/)."""

import json
from collections.abc import Iterable
from typing import Any

from shared.telemetry import VERSION
from tools.supply_chain.distributions import PROJECT, Component


def document(components: Iterable[Component]) -> str:
    """The JSON text. The same components give the same text: nothing in it says when it was made."""
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": PROJECT, "version": VERSION}},
        "components": [
            {
                "type": "library",
                "name": one.name,
                "version": one.version,
                "purl": f"pkg:pypi/{one.name}@{one.version}",
                "bom-ref": f"pkg:pypi/{one.name}@{one.version}",
                "licenses": [{"license": {"name": one.licence}}],
            }
            for one in components
        ],
    }
    return json.dumps(body, indent=1, ensure_ascii=False) + "\n"
