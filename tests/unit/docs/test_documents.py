"""The published documents are valid, say what the code says, and name everything that there is."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
from openapi_spec_validator import validate

from shared.protocol import client, server
from shared.protocol.closing import CLIENT_ADVICE
from shared.protocol.errors import ErrorCode
from tools.checkers import asyncapi_schema
from tools.docs import admin_openapi, asyncapi, openapi
from tools.docs.__main__ import ROOT, documents
from tools.docs.configuration import COMPOSE, SERVICES, TOOL, settings_of
from tools.stack.plan import REPLICAS

GUIDE = (ROOT / "docs/writing-a-client.md").read_text(encoding="utf-8")
PROTOCOL_CALLS = {
    ("post", "/chat/conversations"),
    ("get", "/chat/conversations"),
    ("patch", "/chat/conversations/{conversation_id}"),
    ("delete", "/chat/conversations/{conversation_id}"),
    ("post", "/chat/reports"),
    ("get", "/chat/users"),
    ("get", "/chat/conversations/{conversation_id}"),
    ("get", "/chat/conversations/{conversation_id}/messages"),
    ("get", "/chat/unread"),
    ("get", "/chat/blocks"),
    ("get", "/chat/users/me"),
    ("patch", "/chat/users/me"),
    ("put", "/chat/follows/{username}"),
    ("delete", "/chat/follows/{username}"),
    ("get", "/chat/friends"),
    ("get", "/chat/presence"),
    ("get", "/chat/push/key"),
    ("put", "/chat/push/subscriptions"),
    ("delete", "/chat/push/subscriptions"),
    ("put", "/chat/push/devices"),
    ("delete", "/chat/push/devices"),
    ("get", "/chat/users/me/settings"),
    ("patch", "/chat/users/me/settings"),
    ("post", "/chat/uploads"),
    ("post", "/chat/uploads/{upload_id}/complete"),
    ("get", "/chat/uploads/{upload_id}"),
}


def test_committed_documents_are_what_the_code_says() -> None:
    stale = [path for path, text in documents().items() if (ROOT / path).read_text(encoding="utf-8") != text]
    assert stale == [], "run `make docs`"


def test_openapi_is_valid() -> None:
    validate(openapi.document())
    validate(admin_openapi.document())


def test_operation_ids_are_names_of_functions() -> None:
    for document in (openapi.document(), admin_openapi.document()):
        names = [call["operationId"] for verbs in document["paths"].values() for call in verbs.values()]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name) for name in names)


def test_openapi_has_every_call() -> None:
    found = {(verb, path) for path, verbs in openapi.document()["paths"].items() for verb in verbs}
    assert found == PROTOCOL_CALLS


def test_asyncapi_has_every_event_and_its_example_fits_its_schema() -> None:
    document = asyncapi.document()
    messages = document["components"]["messages"]
    assert {message["name"] for message in messages.values()} == {*client.FRAMES, *server.EVENTS, "error"}
    for message in messages.values():
        schema = {**message["payload"], "components": document["components"]}
        for example in message["examples"]:
            jsonschema.Draft202012Validator(_rooted(schema)).validate(example["payload"])


def test_asyncapi_is_valid() -> None:
    jsonschema.Draft7Validator(json.loads(asyncapi_schema().read_text(encoding="utf-8"))).validate(asyncapi.document())


def test_every_reference_in_asyncapi_leads_somewhere() -> None:
    document = asyncapi.document()
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', asyncapi.text(document))):
        target: Any = document
        for step in reference.split("/"):
            target = target[step]


def test_asyncapi_lists_all_codes() -> None:
    description = asyncapi.document()["info"]["description"]
    assert all(f"| {int(code)} |" in description for code in CLIENT_ADVICE)
    assert all(f"| `{code}` |" in description for code in ErrorCode)


def test_the_page_shows_every_event_and_call() -> None:
    page = documents()["docs/api/index.html"]
    assert all(f"<code>{name}</code>" in page for name in (*client.FRAMES, *server.EVENTS))
    assert all(f"<code>{verb.upper()} {path}</code>" in page for verb, path in PROTOCOL_CALLS)


def test_every_link_within_the_page_leads_somewhere() -> None:
    page = documents()["docs/api/index.html"]
    anchors = re.findall(r" id='([^']+)'", page)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"href='#([^']+)'", page)) <= set(anchors)


def test_every_fixed_setting_is_listed() -> None:
    page = documents()["docs/configuration.md"]
    listed = {"CHAT_PORT", "STACK_BACKENDS", *(variable for variable, _ in REPLICAS.values())}
    listed |= {"CHAT_DEV_LOGIN", "CHAT_DEV_LOGIN_OWN_SECRET"}
    listed |= {f"CHAT_{name.upper()}" for service in SERVICES for name in settings_of(service).model_fields}
    assert [name for name in sorted(listed) if f"`{name}`" not in page] == []


def test_every_variable_of_compose_is_listed_with_its_default() -> None:
    texts = [(ROOT / path).read_text(encoding="utf-8") for path in ("docker-compose.yml", "deploy/compose/tls.yml")]
    read = dict(re.findall(r"\$\{([A-Z_]+)(?::-([^}]*))?", "".join(texts)))
    policy = (ROOT / "deploy/haproxy/haproxy.cfg").read_text(encoding="utf-8")
    read |= dict(re.findall(r"^ +presetenv (HAPROXY_TOKEN_\w+) (\d+)", policy, re.MULTILINE))
    own = {name: usual for name, usual in read.items() if name.startswith(("CHAT", "HAPROXY_TOKEN")) or "_PORT" in name}
    assert own.keys() - TOOL.keys() == COMPOSE.keys()
    assert [name for name, usual in own.items() if usual and COMPOSE[name][0] != f"`{usual}`"] == []


def test_the_production_checklist_has_each_setting_that_production_sets() -> None:
    """Those that a service needs, whose value in Compose is public, and that the overlay and the chart's example set."""
    operations = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = re.search(r"^## Production checklist\n(.*?)^## ", operations, re.MULTILINE | re.DOTALL)
    assert section is not None
    first_cells = [line.split("|")[1] for line in section[1].splitlines() if line.startswith("| `")]
    listed = set(re.findall(r"`(CHAT_\w+)`", "".join(first_cells)))
    fields = [(name, field) for service in SERVICES for name, field in settings_of(service).model_fields.items()]
    needed = {f"CHAT_{name.upper()}" for name, field in fields if field.is_required()}
    deploy = ROOT / "deploy"
    for path in ("compose/development.env", "k8s/overlays/production/settings.env"):
        needed |= set(re.findall(r"^(CHAT_\w+)=", (deploy / path).read_text(encoding="utf-8"), re.MULTILINE))
    for path in (
        "k8s/overlays/production/secrets.yaml",
        "k8s/overlays/production/connections.yaml",
        "helm/production.yaml",
    ):
        needed |= set(re.findall(r"\bCHAT_[A-Z_]+\b", (deploy / path).read_text(encoding="utf-8")))
    assert needed - listed <= {"CHAT_LOG_FORMAT", "CHAT_DRAIN_SECONDS"}  # set to their defaults
    assert listed <= set((ROOT / "shared/setting_names.txt").read_text(encoding="utf-8").split())


def test_the_table_of_contents_of_operations_has_each_section() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert re.findall(r"^\| \[(.+?)\]\(#.+?\) \|", text, re.MULTILINE) == titles


def test_links_between_pages_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "clients").glob("*/*.md")]
    pages += [page for folder in ("docs", "deploy") for page in (ROOT / folder).rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)} → {target}"
        for page in pages
        for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (Path(page).parent / target).exists()
    ]
    assert not broken


def test_a_line_of_a_page_is_one_sentence() -> None:
    """No line is longer than a sentence may be. Rows of tables and code can't be split; reports of measurements are apart."""
    too_long = []
    pages = {*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").glob("*/*.md")}
    for page in sorted(pages - {*(ROOT / "docs" / "performance").rglob("*.md")}):
        text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        too_long += [
            f"{page.relative_to(ROOT)}: {line[:60]}…"
            for line in text.splitlines()
            if len(line) > 240 and not line.lstrip().startswith(("|", "`"))
        ]
    assert not too_long


def test_the_site_builds_and_every_anchor_exists(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "index.html").exists()


def test_the_guide_shows_every_frame_as_it_travels() -> None:
    document = asyncapi.document()
    known: dict[str, list[str]] = {}
    for message in document["components"]["messages"].values():
        known.setdefault(message["name"], []).append(message["payload"]["$ref"])
    frames = [frame for block in re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL) for frame in _objects(block)]
    assert {frame["type"] for frame in frames} == set(known)
    for frame in frames:
        # The type of a command may be that of an event too.
        schemas = [{"$ref": reference} for reference in known[frame["type"]]]
        rules = {"anyOf": schemas, "components": document["components"]}
        jsonschema.Draft202012Validator(rules).validate(frame)


def test_the_guide_says_what_to_do_after_every_error() -> None:
    rows = [line.partition("|")[2].partition("|")[0] for line in GUIDE.splitlines() if line.startswith("| ")]
    named = {name for row in rows for name in re.findall(r"\w+", row)}
    assert set(ErrorCode) <= named


def test_the_examples_for_other_projects_are_files_that_are_run() -> None:
    page = (ROOT / "docs/testing-against-it.md").read_text(encoding="utf-8")
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for example in examples:
        compile(example, "testing-against-it.md", "exec")
    for name in ("running_chat", "test_running_chat"):
        code = (ROOT / f"tests/containers/{name}.py").read_text(encoding="utf-8")
        assert code.partition("\n\n")[2] in examples, f"docs/testing-against-it.md shows another {name}.py"


def _objects(text: str) -> list[dict[str, Any]]:
    """The JSON objects that follow one another in `text`."""
    found = []
    while text := text.strip():
        value, end = json.JSONDecoder().raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


def _rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as one document, so that `#/components/…` resolves."""
    return {"$ref": schema["$ref"], "components": schema["components"]}


def test_a_conversation_that_stands_is_documented_beside_a_new_one() -> None:
    answers = openapi.document()["paths"]["/chat/conversations"]["post"]["responses"]
    assert answers["200"]["content"] == answers["201"]["content"]
