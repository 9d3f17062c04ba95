"""Draws results as SVG: stacked bars of CPU for each message. It needs no plotting library."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

from tools.bench.outcome import Outcome
from tools.bench.table import KINDS

WIDTH: Final = 860
LEFT: Final = 190
RIGHT: Final = 70
BAR: Final = 22
GAP: Final = 12
TOP: Final = 64
COLOURS: Final = (
    "#4269d0", "#efb118", "#97bbf5", "#9c6b4e", "#3ca951", "#ff725c", "#a463f2", "#6cc5b0", "#9498a0", "#ff8ab7",
)  # fmt: skip
"""One colour for each kind; most colour-blind people can tell them apart."""
FONT: Final = 'font-family="system-ui, sans-serif" font-size="12"'


def bars(title: str, outcomes: Sequence[Outcome]) -> str:
    """Return an SVG with one bar for each outcome: microseconds of server CPU for each unit, by kind of process."""
    height = TOP + len(outcomes) * (BAR + GAP) + GAP
    scale = (WIDTH - LEFT - RIGHT) / max(outcome.server_us for outcome in outcomes)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
        *_legend(outcomes),
    ]
    for index, outcome in enumerate(outcomes):
        parts += _bar(outcome, TOP + index * (BAR + GAP), scale)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(outcome: Outcome, y: int, scale: float) -> list[str]:
    middle = y + BAR / 2 + 4
    parts = [
        f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(outcome.target)}, {escape(outcome.scenario)}</text>'
    ]
    x = float(LEFT)
    for kind, colour in zip(KINDS, COLOURS, strict=True):
        width = outcome.cpu_us.get(kind, 0) * scale
        if width > 0:
            label = f"{kind}: {outcome.cpu_us[kind]:.1f} µs"
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{colour}"><title>{label}</title></rect>'
            )
        x += width
    return [*parts, f'<text x="{x + 6:.1f}" y="{middle}">{outcome.server_us:,.0f} µs</text>']


def _legend(outcomes: Sequence[Outcome]) -> list[str]:
    shown = [kind for kind in KINDS if any(kind in outcome.cpu_us for outcome in outcomes)]
    parts = []
    for index, kind in enumerate(shown):
        x = 12 + index * 92
        colour = COLOURS[KINDS.index(kind)]
        parts.append(
            f'<rect x="{x}" y="36" width="11" height="11" fill="{colour}"/><text x="{x + 16}" y="46">{kind}</text>'
        )
    return parts


def write(folder: Path, outcomes: Sequence[Outcome]) -> list[Path]:
    """Write the plots that the outcomes allow; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    groups = {
        "cost-per-message": ("CPU of all server processes for each message", _of(outcomes, "saturated")),
        "cost-by-rate": ("CPU for each message, by load", _of(outcomes, "200/s", "2000/s", "saturated")),
        "cost-by-history": (
            "CPU for each message, by rows in the table",
            [o for o in outcomes if o.scenario.endswith("rows")],
        ),
        "cost-by-replicas": (
            "CPU for each message, by replicas",
            [o for o in outcomes if o.scenario.startswith("replicas")],
        ),
    }
    written = []
    for name, (title, chosen) in groups.items():
        if chosen:
            path = folder / f"{name}.svg"
            path.write_text(bars(title, chosen), encoding="utf-8")
            written.append(path)
    return written


def _of(outcomes: Sequence[Outcome], *scenarios: str) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.scenario in scenarios]
