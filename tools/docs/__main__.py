"""`python -m tools.docs` writes the generated documents; with `--check` it only reports outdated ones."""

import sys
from pathlib import Path

from tools.docs import (
    admin_openapi,
    asyncapi,
    configuration,
    environment_file,
    openapi,
    pages,
    python_types,
    typescript,
)

ROOT = Path(__file__).parents[2]


def documents() -> dict[str, str]:
    """Path below the repository → text."""
    events, calls = asyncapi.document(), openapi.document()
    return {
        "docs/api/asyncapi.json": asyncapi.text(events),
        "docs/api/openapi.json": asyncapi.text(calls),
        "docs/api/admin-openapi.json": asyncapi.text(admin_openapi.document()),
        "docs/api/index.html": pages.render(events, calls),
        "docs/configuration.md": configuration.text(),
        "deploy/compose/chat.env.example": environment_file.text(),
        "shared/setting_names.txt": configuration.names(),
        "clients/javascript/src/wire.d.ts": typescript.text(events),
        "clients/python/chat_client/wire.py": python_types.text(events),
    }


def main() -> None:
    """Write, or compare. Exits with 1 when a document is out of date."""
    check = "--check" in sys.argv[1:]
    stale = []
    for name, text in documents().items():
        path = ROOT / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    verb = "is out of date: run `make docs` and commit the result" if check else "written"
    for name in stale:
        print(f"{name} {verb}")
    if check and stale:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
