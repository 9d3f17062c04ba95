"""The Ingress leads each path of the contract where HAProxy leads it in the local stack and in Compose."""

import re

import pytest

from shared.rest.documents import DOCUMENTS
from tests.unit.deploy.manifests import DEPLOY, named
from tools.docs import openapi

BACKENDS = re.findall(
    r"set-var\(txn.service\) str\((\w+)\) if \{ (path|path_beg) ([^}]+?) \}",
    (DEPLOY / "haproxy/haproxy.cfg").read_text(encoding="utf-8"),
)


def paths() -> list[str]:
    """Every path of the REST contract with an id in it, the WebSocket's, and the documents'."""
    calls = openapi.document()["paths"]
    return [
        "/chat/ws",
        *DOCUMENTS,
        *(re.sub(r"\{\w+\}", "alice", path) for path in calls if path.startswith("/chat/") and path != "/chat/ws"),
    ]


def by_haproxy(path: str) -> str:
    """The backend of HAProxy's last rule that takes `path`."""
    for backend, test, values in reversed(BACKENDS):
        if any(path == value if test == "path" else path.startswith(value) for value in values.split()):
            return str(backend)
    return "devserver"


def by_ingress(overlay: str, path: str) -> str:
    """The service of the longest path of the Ingress that takes `path` (Kubernetes: «Multiple matches»)."""
    rules = named(overlay, "Ingress", "chat")["spec"]["rules"][0]["http"]["paths"]
    exact = {rule["path"]: rule for rule in rules if rule["pathType"] == "Exact"}
    prefixes = [rule for rule in rules if rule["pathType"] == "Prefix"]
    matching = [rule for rule in prefixes if f"{path}/".startswith(rule["path"].rstrip("/") + "/")]
    found = exact.get(path) or max(matching, key=lambda rule: len(rule["path"]), default=None)
    return found["backend"]["service"]["name"] if found else "nobody"


def test_haproxy_has_rules() -> None:
    assert {backend for backend, _, _ in BACKENDS} == {"gateway", "messaging", "presence", "notifier", "media"}
    assert len(paths()) > 8


@pytest.mark.parametrize("path", paths())
def test_a_path_leads_to_its_owner(path: str) -> None:
    assert by_ingress("production", path) == by_ingress("local", path) == by_haproxy(path) != "devserver"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/dev/login", "/chat/ws/more", "/chat"])
def test_production_serves_nothing_else(path: str) -> None:
    assert by_ingress("production", path) == "nobody"
