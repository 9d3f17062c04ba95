"""The readable page at `/docs`: the same two documents, as HTML without scripts."""

import json
from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #2563eb; }
body { font: 16px/1.55 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem; }
h1, h2, h3 { line-height: 1.2; } h2 { border-bottom: 1px solid var(--line); margin-top: 3rem; padding-bottom: .3rem; }
h3 { margin: 2rem 0 .4rem; } code, pre { font: .87em/1.5 ui-monospace, monospace; }
pre { background: var(--soft); border-radius: .5rem; overflow: auto; padding: .8rem; }
table { border-collapse: collapse; display: block; overflow: auto; }
td, th { border: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top; }
a { color: var(--accent); } nav ul { columns: 3 14rem; padding-left: 1.2rem; }
.way { color: #777; font-size: .8em; font-weight: normal; }
"""


def render(events: dict[str, Any], calls: dict[str, Any]) -> str:
    """One page: connecting, events both ways, REST calls, close and error codes."""
    messages = events["components"]["messages"]
    directions = {
        operation["messages"][0]["$ref"].rsplit("/", 1)[1]: operation["action"]
        for operation in events["operations"].values()
    }
    up = {name: message for name, message in messages.items() if directions[name] == "receive"}
    down = {name: message for name, message in messages.items() if directions[name] == "send"}
    parts = [
        f"<h1>{escape(events['info']['title'])} and REST</h1>",
        "<p>Generated from the code. Machine-readable: <a href='asyncapi.json'>AsyncAPI 3.0</a>, "
        "<a href='openapi.json'>OpenAPI 3.1</a>.</p>",
        _contents(up, down, calls),
        "<h2>Client → server</h2>",
        *(_event(name, message, events) for name, message in up.items()),
        "<h2>Server → client</h2>",
        *(_event(name, message, events) for name, message in down.items()),
        "<h2>REST</h2>",
        *(_call(path, verb, call) for path, verbs in calls["paths"].items() for verb, call in verbs.items()),
        "<h2 id='codes'>Close and error codes</h2>",
        _tables(events["info"]["description"]),
    ]
    meta = "<meta charset='utf-8'><meta name='viewport' content='width=device-width'><title>Chat API</title>"
    return (
        f"<!doctype html>\n<html lang='en'><head>{meta}<style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _contents(up: dict[str, Any], down: dict[str, Any], calls: dict[str, Any]) -> str:
    links = [f"<li><a href='#{name}'>{escape(message['name'])}</a></li>" for name, message in {**up, **down}.items()]
    links += [f"<li><a href='#{escape(_anchor(path))}'>{escape(path)}</a></li>" for path in calls["paths"]]
    return "<nav><ul>" + "".join(links) + "<li><a href='#codes'>codes</a></li></ul></nav>"


def _event(name: str, message: dict[str, Any], events: dict[str, Any]) -> str:
    schema = events["components"]["schemas"][name]
    payload = schema["properties"].get("payload", {})
    reference = payload.get("$ref") or next((part["$ref"] for part in payload.get("anyOf", []) if "$ref" in part), None)
    fields = events["components"]["schemas"][reference.rsplit("/", 1)[1]] if reference else {"properties": {}}
    example = json.dumps(message["examples"][0]["payload"], indent=2, ensure_ascii=False)
    return (
        f"<h3 id='{name}'><code>{escape(message['name'])}</code></h3><p>{escape(message['summary'])}</p>"
        f"{_fields(fields)}<pre>{escape(example)}</pre>"
    )


def _fields(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type(field))}</td>"
        f"<td>{'required' if name in required else 'optional'}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    ]
    return "<table>" + "".join(rows) + "</table>" if rows else ""


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"].rsplit("/", 1)[1])
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if "enum" in field:
        return " | ".join(json.dumps(value) for value in field["enum"])
    if field.get("type") == "array":
        return "list of " + _type(field.get("items", {}))
    limits = [f"{word} {field[key]}" for key, word in _LIMITS.items() if key in field]
    return " ".join([str(field.get("format", field.get("type", "any"))), *limits])


_LIMITS = {
    "minLength": "of at least",
    "maxLength": "of at most",
    "minimum": "from",
    "maximum": "to",
    "maxItems": "at most",
}


def _call(path: str, verb: str, call: dict[str, Any]) -> str:
    parameters = [
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f"<td>{escape(_type(parameter['schema']))}</td></tr>"
        for parameter in call.get("parameters", [])
    ]
    table = "<table>" + "".join(parameters) + "</table>" if parameters else ""
    answers = ", ".join(code for code in call["responses"] if code.isdigit())
    return (
        f"<h3 id='{escape(_anchor(path))}'><code>{verb.upper()} {escape(path)}</code> "
        f"<span class='way'>{escape(', '.join(call.get('tags', [])))} · {escape(answers)}</span></h3>"
        f"<p>{escape(call.get('description') or call.get('summary', ''))}</p>{table}"
    )


def _anchor(path: str) -> str:
    return path.strip("/").replace("/", "-").replace("{", "").replace("}", "")


def _tables(markdown: str) -> str:
    """The description's tables; its headings become headings here."""
    out: list[str] = []
    for line in markdown.splitlines():
        if line.startswith("## "):
            out.append(f"</table><h3>{escape(line[3:])}</h3><table>")
        elif line.startswith("| ---"):
            continue
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            out.append("<tr>" + "".join(f"<td>{escape(cell.strip('`'))}</td>" for cell in cells) + "</tr>")
    return ("".join(out) + "</table>").replace("</table>", "", 1)
