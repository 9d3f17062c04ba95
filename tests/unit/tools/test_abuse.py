"""What `make abuse` measures, and how its tables get into the documents."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import uvloop

from services.gateway.settings import GatewaySettings
from services.messaging.settings import Settings as MessagingSettings
from services.presence.settings import PresenceSettings
from tools.abuse import report
from tools.abuse.__main__ import OUR_SETTINGS, unsure
from tools.abuse.attacker import Order, Outcome
from tools.abuse.attacks import ATTACKS
from tools.abuse.hostile import Hostile
from tools.abuse.measurement import MOST_SETTLES, Measurement
from tools.abuse.ratio import Ratio, ratio_of
from tools.abuse.row import Results, Row
from tools.abuse.stolen import own, stolen_seconds
from tools.bench.latency import Latency
from tools.bench.peer import Peer
from tools.bench.target import Target

MIB = 1024 * 1024
ROW = Row(
    attack="blocks",
    description="Blocks",
    ack_ms=Latency(10.0, 20.0, 50.0, 90.0),
    alone_ms=Latency(10.0, 20.0, 40.0, 50.0),
    ratio=Ratio(1.25, 1.1, 1.4),
    rounds=2,
    seconds=8.0,
    acknowledged=1_000,
    told={"429": 1_234, "connection.success": 9_999},
    sent={"frames": 8_000, "handshakes": 80, "bytes": 16_000_000},
    memory_before={"gateway": 100 * MIB, "redis": 50 * MIB},
    memory_highest={"gateway": 103 * MIB, "redis": 51 * MIB},
)


def test_all_limits_but_one_are_those_of_production() -> None:
    """The honest pairs write ten messages a second each; any other raised limit would hide the effect of the limits."""
    kinds = (GatewaySettings, MessagingSettings, PresenceSettings)
    settings = {f"CHAT_{name.upper()}" for kind in kinds for name in kind.model_fields}
    logs = {"CHAT_LOG_FORMAT", "CHAT_LOG_LEVEL"}
    assert OUR_SETTINGS.keys() & settings - logs == {"CHAT_MESSAGES_PER_MINUTE"}


def test_attacks_have_names_and_descriptions_of_their_own() -> None:
    """Rows of several runs are merged by name."""
    assert len({attack.name for attack in ATTACKS}) == len({attack.description for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.description for attack in ATTACKS)


def test_a_row_says_what_the_account_did_and_was_told_and_what_grew() -> None:
    """An event that every connection gets is no answer to an attack."""
    text = report.tables(Results([ROW], acknowledged=1_000, left_out=0.071))
    sent = "1,000 frames, 10 handshakes, 2,000 KB"
    figures = "40.0 ms | 50.0 ms | 1.25 | 1.10 to 1.40 | 2 | gateway +3 MiB"
    assert f"| blocks: Blocks | {sent} | 1,234 × `429` | {figures} |" in text
    assert "| redis | 50 MiB | 51 MiB | 1 MiB | blocks |" in text
    assert "1,000 messages acknowledged in that run; none was lost" in text
    assert "In 7% of the time, the host took CPU" in text


def test_rows_that_slow_honest_pairs_are_named() -> None:
    """Worst first; the text below the table is true for any figures."""
    slow = msgspec.structs.replace(ROW, attack="slow", ratio=Ratio(1.52, 1.4, 1.7))
    worse = msgspec.structs.replace(ROW, attack="worse", ratio=Ratio(2.0, 1.6, 2.2))
    near = msgspec.structs.replace(ROW, attack="near", ratio=Ratio(1.4, 1.2, 1.6))
    text = report.tables(Results([slow, ROW, worse, near]))
    assert "Ratios over 1.5: `worse` 2.00, `slow` 1.52." in text
    assert "Of 4 intervals, 1 is over 1.5 as a whole; 1 more reach over it, though their ratios don't." in text
    assert "Ratios over 1.5: none." in report.tables(Results([ROW]))


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        ([0.0, 0.01, 0.0], [True, True, True]),
        ([0.0, 0.05, 0.0, 0.0], [True, False, False, True]),
        ([0.05, 0.05], [True, True]),
    ],
)
def test_half_seconds_with_stolen_cpu_are_left_out(shares: list[float], counts: list[bool]) -> None:
    """What waited then is done in the next one. Where there is nothing better, all of them count."""
    assert own(shares) == counts


def test_stolen_time_is_read_in_seconds(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text("cpu  1 2 3 4 5 6 7 250 9 10\ncpu0 1 2 3 4 5 6 7 99 9 10\n", encoding="ascii")
    assert stolen_seconds(stat) == 250 / os.sysconf("SC_CLK_TCK")
    assert stolen_seconds(tmp_path / "none") == 0


def test_a_ratio_is_that_of_all_windows_together() -> None:
    """A hundredth of 2,000 messages is 20: the slowest beyond them counts."""
    alone = [[0.010] * 999 + [0.020], [0.010] * 980 + [0.020] * 20]
    beside = [[0.010] * 1_000, [0.010] * 979 + [0.030] * 21]
    assert ratio_of(beside, alone).value == pytest.approx(1.5)
    assert ratio_of(beside[:1], alone).value == pytest.approx(0.5)


def test_an_interval_is_wide_when_one_moment_makes_the_percentile() -> None:
    """What was seen in half a second of four may as well not have been, or have been twice."""
    calm = [[0.010] * 2_000]
    once = [[0.010] * 1_750 + [0.040] * 250]
    steady = [([0.010] * 80 + [0.040] * 20) * 20]
    assert ratio_of(calm, calm) == Ratio(1.0, 1.0, 1.0)
    assert ratio_of(once, calm) == Ratio(4.0, 1.0, 4.0)
    assert ratio_of(steady, calm) == Ratio(4.0, 4.0, 4.0)


def test_what_is_not_sure_yet_is_measured_again_the_least_measured_and_the_worst_first() -> None:
    """Not what is surely low enough, broke off, or was measured often enough."""
    names = [attack.name for attack in ATTACKS[:6]]
    rounds = (2, 3, 2, 2, 6, 2)
    ratios = [(1.4, 1.6), (2.0, 2.5), (1.6, 1.7), (1.0, 1.2), (2.0, 2.5), (3.0, 4.0)]
    rows = [
        msgspec.structs.replace(ROW, attack=name, rounds=times, ratio=Ratio(value, 1.0, high))
        for name, times, (value, high) in zip(names, rounds, ratios, strict=True)
    ]
    order: list[str] = []
    while (chosen := unsure(ATTACKS, rows, {names[5]})) is not None and len(order) < 4:
        order.append(chosen.name)
        rows = [msgspec.structs.replace(row, rounds=row.rounds + (row.attack == chosen.name)) for row in rows]
    assert order == [names[2], names[0], names[1], names[2]]
    assert unsure(ATTACKS, [ROW], set()) is None


async def test_all_times_of_an_attack_count_with_those_right_before_each() -> None:
    """Each attack twice, in turn."""
    slow, fast = [0.040] * 1_000, [0.010] * 1_000
    any_window = fast
    windows = [any_window, slow, [0.050] * 1_000, any_window, slow, [0.020] * 1_000]
    windows += [any_window, fast, [0.060] * 1_000, any_window, slow, fast]
    measurement = Measurement(Script(), Script(windows), Script(), 0.0)  # type: ignore[arg-type]
    for attack in (*ATTACKS[:2], *ATTACKS[:2]):
        await measurement.measure(attack)
    first, second = measurement.rows()
    assert (first.attack, first.rounds, first.acknowledged) == (ATTACKS[0].name, 2, 2_000)
    assert (first.alone_ms.p99, first.ack_ms.p99) == (40.0, 60.0)
    assert (second.alone_ms.p99, second.ack_ms.p99) == (40.0, 20.0)
    assert first.told == {"429": 20}
    assert first.sent == {"frames": 10}
    assert (first.memory_before, first.memory_highest) == ({"gateway": 1}, {"gateway": 3})


async def test_a_time_without_an_attack_begins_when_the_system_is_quiet_again() -> None:
    """What an attack has left behind doesn't make the next one look harmless. A machine that stays slow is not waited for."""
    usual, busy = [0.010] * 1_000, [0.013] * 1_000
    honest = Script([busy, usual, busy, busy, usual, usual, *[busy] * MOST_SETTLES, busy, usual])
    measurement = Measurement(Script(), honest, Script(), 0.0)  # type: ignore[arg-type]
    for _ in range(3):
        await measurement.rest()
    assert await honest.acknowledged(0.0) is usual
    assert measurement.alone is not None
    assert measurement.alone.p50 == 10.0
    assert measurement.alone.p99 == 13.0


def test_a_connection_that_is_cut_off_while_it_opens_leaves_nothing_in_the_event_loop() -> None:
    """Nearly every attack ends so, and the next one opens a socket with the same number. uvloop read nothing from it."""
    uvloop.run(_cut_off_and_connect_again())


async def _cut_off_and_connect_again() -> None:
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    async with (
        asyncio.timeout(60),
        await asyncio.start_server(lambda *both: accepted.put_nowait(both), "127.0.0.1") as server,
    ):
        host, port = server.sockets[0].getsockname()
        opening = asyncio.create_task(Peer("cut-off").connect(Target("nobody", f"http://{host}:{port}"), "token"))
        request, answering = await accepted.get()
        await request.readuntil(b"\r\n\r\n")
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert await request.read() == b""
        answering.close()
        reader, writer = await asyncio.open_connection(host, port)
        _, answering = await accepted.get()
        answering.write(b"answer")
        assert await reader.read(6) == b"answer"
        answering.close()
        writer.close()


async def test_uploads_end_although_an_answer_comes_at_the_same_time() -> None:
    """`asyncio.wait_for` of Python 3.11 hides such a cancellation, and the attack would go on beside all others."""
    hostile = Answering()
    attack = asyncio.create_task(next(attack for attack in ATTACKS if attack.name == "uploads").act(hostile))
    await hostile.asked.wait()
    hostile.answer.set_result({"url": "http://127.0.0.1/upload", "uploadId": "x", "method": "PUT"})
    attack.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(attack, 60)


class Answering(Hostile):
    """Its first requests get the same answer, and the others none."""

    def __init__(self) -> None:
        super().__init__(Target("nobody", "http://127.0.0.1:9"), [])
        self.asked = asyncio.Event()
        self.answer: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()

    async def ask(self, *_: object, **__: object) -> dict[str, str]:
        self.asked.set()
        if self.answer.done():
            await asyncio.Event().wait()
        return await self.answer


class Script:
    """The attacker, the honest pairs and the memory of one run, as it is written."""

    def __init__(self, windows: list[list[float]] | None = None) -> None:
        self._windows = iter(windows or [])
        self.highest = {"gateway": 3}

    async def prepare(self, order: Order) -> None:
        assert order.seconds == 0.0

    async def begin(self) -> None:
        pass

    async def outcome(self) -> Outcome:
        return Outcome({"429": 10}, {"frames": 5})

    async def acknowledged(self, _seconds: float) -> list[float]:
        return next(self._windows)

    def now(self) -> dict[str, int]:
        return {"gateway": 1}

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        yield


def test_a_percentile_of_nothing_is_refused() -> None:
    """Not a ratio of zero."""
    with pytest.raises(ValueError, match="needs latencies"):
        ratio_of([], [[0.010]])


def test_a_fault_of_the_honest_pairs_is_said() -> None:
    """A ratio is in the table; what was lost is not."""
    text = report.tables(Results([ROW], ["2 messages lost", "blocks: ratio 1.70"], acknowledged=10))
    assert "2 messages lost." in text
    assert "none was lost" not in text


def test_only_the_text_between_the_marks_is_replaced(tmp_path: Path) -> None:
    """Without marks nothing is written."""
    document = tmp_path / "reliability.md"
    document.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    report.write(Results([ROW]), document)
    text = document.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "\nold\n" not in text
    assert "blocks: Blocks" in text
    document.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks the marks"):
        report.write(Results([ROW]), document)
