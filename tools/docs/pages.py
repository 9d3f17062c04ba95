"""The readable page at `/docs`: the same two documents, as HTML without scripts."""

import json
import re
from collections.abc import Iterable
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: light-dark(#0f766e, #2dd4bf); }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem; overflow-wrap: break-word; }
h1, h2, h3 { line-height: 1.2; } h2 { border-bottom: 1px solid var(--line); margin-top: 3rem; padding-bottom: .3rem; }
h3 { margin: 2.2rem 0 .4rem; font-size: 1.15rem; } code, pre { font: .9em/1.5 ui-monospace, monospace; }
h3 code { font-size: 1em; font-weight: 600; } h4 { margin: 1rem 0 .3rem; font-size: .95rem; }
pre { background: var(--soft); border-radius: .5rem; overflow: auto; padding: .8rem; }
table { border-collapse: collapse; display: block; margin: .5rem 0; overflow: auto; }
td, th { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
th { background: var(--soft); font-weight: 600; }
a { color: var(--accent); } nav ul { columns: 3 15rem; list-style: none; margin: .3rem 0 1rem; padding: 0; }
"""
_LENGTHS = {"minLength": "at least {} characters", "maxLength": "at most {} characters"}
_RANGES = {"minimum": "from {}", "maximum": "to {}", "minItems": "at least {}", "maxItems": "at most {}"}


def render(events: dict[str, Any], calls: dict[str, Any]) -> str:
    """One page: connecting, events both ways, REST calls, the shapes of both, close and error codes."""
    messages = events["components"]["messages"]
    up = {name: message for name, message in messages.items() if f"receive{name}" in events["operations"]}
    down = {name: message for name, message in messages.items() if name not in up}
    shapes, bodies = events["components"]["schemas"], calls["components"]["schemas"]
    # An event and its payload are shown where the event is.
    shown = {*messages, *(name for name in shapes if name.endswith("Payload"))}
    parts = [
        f"<h1>{escape(events['info']['title'])} and REST</h1>",
        "<p>Generated from the code. Machine-readable: <a href='asyncapi.json'>AsyncAPI 3.0</a>, "
        "<a href='openapi.json'>OpenAPI 3.1</a>.</p>",
        _contents(up, down, calls),
        _text(events["info"]["description"]),
        "<h2 id='up'>Client → server</h2>",
        *(_event(name, message, shapes) for name, message in up.items()),
        "<h2 id='down'>Server → client</h2>",
        *(_event(name, message, shapes) for name, message in down.items()),
        "<h2 id='shapes'>Shapes in events</h2>",
        *(_shape(name, schema) for name, schema in shapes.items() if name not in shown),
        f"<h2 id='rest'>REST</h2><p>{_inline(calls['info']['description'])}</p>",
        *(_call(path, verb, call) for path, verbs in calls["paths"].items() for verb, call in verbs.items()),
        "<h2 id='bodies'>Shapes in REST</h2>",
        *(_shape(name, schema) for name, schema in bodies.items() if name not in shapes),
    ]
    meta = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>Chat API</title>"
    return (
        f"<!doctype html>\n<html lang='en'><head>{meta}<link rel='icon' href='data:,'><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _contents(up: dict[str, Any], down: dict[str, Any], calls: dict[str, Any]) -> str:
    sections = ("Connecting", "Close codes", "Error codes")
    groups = {
        "General": [(_anchor(name), name) for name in sections],
        "Client → server": [(name, message["name"]) for name, message in up.items()],
        "Server → client": [(name, message["name"]) for name, message in down.items()],
        "REST": [
            (_anchor(f"{verb}-{path}"), f"{verb.upper()} {path}")
            for path, verbs in calls["paths"].items()
            for verb in verbs
        ],
    }
    lists = [
        f"<h4>{escape(title)}</h4><ul>"
        + "".join(f"<li><a href='#{escape(anchor)}'>{escape(text)}</a></li>" for anchor, text in links)
        + "</ul>"
        for title, links in groups.items()
    ]
    return "<nav>" + "".join(lists) + "</nav>"


def _event(name: str, message: dict[str, Any], shapes: dict[str, Any]) -> str:
    schema = shapes[name]
    payload = schema["properties"].get("payload", {})
    reference = next((part["$ref"] for part in (payload, *payload.get("anyOf", [])) if "$ref" in part), None)
    # An error has no payload: its own fields are shown.
    fields = shapes[_target(reference)] if reference else schema
    example = json.dumps(message["examples"][0]["payload"], indent=2, ensure_ascii=False)
    durable = "<p>Durable: it has a <code>cursor</code>.</p>" if "cursor" in schema["properties"] else ""
    return (
        f"<h3 id='{name}'><code>{escape(message['name'])}</code></h3><p>{_inline(message['summary'])}</p>{durable}"
        f"{_fields(fields)}<pre>{escape(example)}</pre>"
    )


def _shape(name: str, schema: dict[str, Any]) -> str:
    title, about = f"<h3 id='shape-{name}'><code>{name}</code></h3>", schema.get("description", "")
    body = _fields(schema) if "properties" in schema else f"<p>{_type(schema)}</p>"
    return f"{title}<p>{_inline(about)}</p>{body}"


def _fields(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    return _table(
        ("field", "type", "", ""),
        (
            (_code(name), _type(field), "required" if name in required else "optional", _about(field))
            for name, field in schema.get("properties", {}).items()
        ),
    )


def _call(path: str, verb: str, call: dict[str, Any]) -> str:
    parameters = _table(
        ("parameter", "in", "type", "", ""),
        (
            (
                _code(found["name"]),
                found["in"],
                _type(found["schema"]),
                "required" if found.get("required") else "optional",
                _inline(found.get("description", "")),
            )
            for found in call.get("parameters", [])
        ),
    )
    body = f"<p>Body: {_content(call['requestBody'])}</p>" if "requestBody" in call else ""
    answers = _table(
        ("answer", "meaning", "body"),
        ((status, _inline(answer["description"]), _content(answer)) for status, answer in call["responses"].items()),
    )
    return (
        f"<h3 id='{escape(_anchor(f'{verb}-{path}'))}'><code>{verb.upper()} {escape(path)}</code></h3>"
        f"<p>{_inline(call['description'])}</p>{parameters}{body}{answers}"
    )


def _content(holder: dict[str, Any]) -> str:
    """The shape of a request's or an answer's body; empty when it has none."""
    content = holder.get("content")
    return _type(content["application/json"]["schema"]) if content else ""


def _type(field: dict[str, Any]) -> str:
    """A type in words, as HTML."""
    if "$ref" in field:
        name = _target(field["$ref"])
        return f"<a href='#shape-{name}'>{name}</a>"
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "enum" in field:
        return " | ".join(_code(json.dumps(value)) for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}{_limits(field)}"
    if field.get("format") == "uuid":
        return "UUID"
    if isinstance(field.get("additionalProperties"), dict) and "properties" not in field:
        return f"object with values of {_type(field['additionalProperties'])}"
    return escape(str(field.get("type", "anything"))) + _limits(field)


def _limits(field: dict[str, Any]) -> str:
    found = [text.format(field[key]) for key, text in {**_LENGTHS, **_RANGES}.items() if key in field]
    return f" ({', '.join(found)})" if found else ""


def _about(field: dict[str, Any]) -> str:
    """What is said of a field, or of the part of it that isn't null."""
    told = (part.get("description") for part in (field, *field.get("anyOf", [])))
    return _inline(next((text for text in told if text), ""))


def _target(reference: str) -> str:
    return reference.rsplit("/", 1)[1]


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _text(markdown: str) -> str:
    """The paragraphs, headings and tables of the description."""
    out: list[str] = []
    for block in re.split(r"\n\n+", markdown):
        if block.startswith("## "):
            out.append(f"<h2 id='{_anchor(block[3:])}'>{escape(block[3:])}</h2>")
        elif block.startswith("|"):
            heading, _, *rows = ([_inline(cell) for cell in line[2:-2].split(" | ")] for line in block.splitlines())
            out.append(_table(heading, rows))
        else:
            out.append(f"<p>{_inline(block)}</p>")
    return "\n".join(out)


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already; nothing when it has no rows."""
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    head = "<tr>" + "".join(f"<th>{escape(heading)}</th>" for heading in headings) + "</tr>"
    return f"<table>{head}{''.join(lines)}</table>" if lines else ""


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _inline(text: str) -> str:
    """A text with its `code` marked."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
