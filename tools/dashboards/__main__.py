"""`python -m tools.dashboards` writes the dashboard, the operator's rules and the list of metrics; `--check` only reports."""

import sys
from pathlib import Path

from tools.dashboards import dashboard, metrics_page, rules
from tools.dashboards.families import declared

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules.yml"


def documents() -> dict[Path, str]:
    """Path → text."""
    return {
        ROOT / "deploy/grafana/dashboards/chat.json": dashboard.text(declared()),
        ROOT / "docs/metrics.md": metrics_page.text(declared()),
        ROOT / "deploy/k8s/components/monitoring/rules.yaml": rules.text(RULES.read_text(encoding="utf-8")),
    }


def stale() -> dict[Path, str]:
    """Return the documents whose file is missing or has another content."""
    return {
        path: text
        for path, text in documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main() -> None:
    """Write, or compare. Exits with 1 when `--check` finds a file out of date."""
    check = "--check" in sys.argv[1:]
    found = stale()
    for path, text in found.items():
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(ROOT)} {'is out of date' if check else 'written'}")
    if check and found:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
