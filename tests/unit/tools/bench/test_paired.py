"""Two checkouts measured in turn."""

from rich.console import Console

from tools.bench.latency import Latency
from tools.bench.outcome import Outcome, Run
from tools.bench.paired import comparison


def run(us: float, p50: float) -> Run:
    latency = Latency(p50, 2 * p50, 3 * p50, 4 * p50)
    return Run("now", "abc", {}, [Outcome("200/s", "system", "message", 100, 1.0, {"gateway": us}, 1.0, latency)])


def test_the_change_is_the_median_of_the_changes_within_pairs() -> None:
    """A slow pair hits both: the medians of all runs would show a change where there is none."""
    table = comparison([run(100, 2), run(300, 6), run(110, 2)], [run(90, 2), run(270, 6), run(330, 2)])
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table)
    [cost] = [line for line in shown.get().splitlines() if "server µs" in line]
    assert [part.strip() for part in cost.split("│")[3:7]] == ["110.0", "270.0", "-10.0 %", "+60.0 ± 70.0 %"]
    assert "ack p50 ms" in shown.get()


def test_two_rounds_have_no_standard_error() -> None:
    console = Console(width=120)
    with console.capture() as shown:
        console.print(comparison([run(100, 2), run(100, 2)], [run(90, 2), run(110, 2)]))
    assert "±" not in shown.get()
