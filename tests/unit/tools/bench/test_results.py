"""Results are kept, shown and drawn."""

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from rich.console import Console

from tools.bench import plot
from tools.bench.latency import Latency
from tools.bench.ledger import Verdict
from tools.bench.outcome import Outcome, Run, load, save
from tools.bench.table import remarks, tables
from tools.bench.target import target_of


def outcome(scenario: str = "saturated", **fields: object) -> Outcome:
    one = Outcome(
        scenario=scenario,
        target="system",
        unit="message",
        count=1000,
        seconds=2.0,
        cpu_us={"gateway": 20.0, "postgres": 15.5},
        generator_us=9.0,
        ack_ms=Latency(1, 2, 3, 4),
        verdict=Verdict(1000, 1000, 1000, []),
    )
    for name, value in fields.items():
        setattr(one, name, value)
    return one


def shown(thing: object) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(thing)
    return console.export_text()


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    run = Run("2024-01-01T10:00:00+00:00", "abc", {"cores": "2"}, [outcome()])
    save(run, tmp_path / "deep" / "run.json")
    assert load(tmp_path / "deep" / "run.json") == run


def test_what_is_reckoned() -> None:
    assert (outcome().rate, outcome().server_us, outcome().faults) == (500, 35.5, [])
    assert outcome(errors={"send_failed": 2}).faults == ["2 × error send_failed"]


def test_the_tables_have_the_figures() -> None:
    results, costs = tables([outcome()])
    assert "500 messages" in shown(results)
    assert "1.0 / 2.0 / 3.0" in shown(results)
    assert "20.0" in shown(costs)


def test_a_busy_machine_is_told() -> None:
    noisy = outcome(extra={"foreign_cpu_percent": 30.0, "stolen_cpu_percent": 1.0})
    assert any("31 %" in line for line in remarks([noisy]))


def test_the_plot_is_svg(tmp_path: Path) -> None:
    written = plot.write(tmp_path, [outcome(), outcome("200/s"), outcome("1000k rows")])
    assert [path.name for path in written] == ["cost-per-message.svg", "cost-by-rate.svg", "cost-by-history.svg"]
    for path in written:
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag.endswith("svg")


def test_a_stack_is_split_by_kind() -> None:
    processes = [("gateway-1", 1), ("gateway-2", 2), ("postgres", 3), ("rabbitmq-epmd", 4), ("redis-2", 5)]
    stack = {
        "url": "http://127.0.0.1:8080",
        "backends": {"database": "postgresql://d"},
        "processes": [{"name": name, "pid": pid, "port": 0} for name, pid in processes],
    }
    target = target_of(stack)
    assert target.processes == {"gateway": [1, 2], "postgres": [3], "rabbitmq-epmd": [4], "redis": [5]}
    assert target.socket_url == "ws://127.0.0.1:8080/chat/ws"
