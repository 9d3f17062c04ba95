"""What `make abuse` measures, and how its tables get into the documents."""

from pathlib import Path

import msgspec
import pytest

from services.gateway.settings import GatewaySettings
from services.messaging.settings import Settings as MessagingSettings
from services.presence.settings import PresenceSettings
from tools.abuse import report
from tools.abuse.__main__ import OUR_SETTINGS
from tools.abuse.attacks import ATTACKS
from tools.abuse.row import Results, Row
from tools.bench.latency import Latency

MIB = 1024 * 1024
ALONE = Latency(10.0, 20.0, 40.0, 50.0)
ROW = Row(
    attack="blocks",
    description="Blocks",
    ack_ms=Latency(10.0, 20.0, 50.0, 90.0),
    acknowledged=1_000,
    told={"429": 1_234, "connection.success": 9_999},
    memory_before={"gateway": 100 * MIB, "redis": 50 * MIB},
    memory_highest={"gateway": 103 * MIB, "redis": 51 * MIB},
    alone_ms=ALONE,
)


def test_all_limits_but_one_are_those_of_production() -> None:
    """The honest pairs write ten messages a second each; whatever else is lifted would hide what the limits do."""
    kinds = (GatewaySettings, MessagingSettings, PresenceSettings)
    settings = {f"CHAT_{name.upper()}" for kind in kinds for name in kind.model_fields}
    logs = {"CHAT_LOG_FORMAT", "CHAT_LOG_LEVEL"}
    assert OUR_SETTINGS.keys() & settings - logs == {"CHAT_MESSAGES_PER_MINUTE"}


def test_attacks_have_names_and_descriptions_of_their_own() -> None:
    """Rows of several runs are merged by name."""
    assert len({attack.name for attack in ATTACKS}) == len({attack.description for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.description for attack in ATTACKS)


def test_a_row_says_what_the_account_was_told_and_what_grew() -> None:
    """What every connection hears is no answer to an attack."""
    text = report.tables(Results([ROW], acknowledged=1_000))
    assert "| blocks: Blocks | 1,234 × `429` | 40.0 ms | 50.0 ms | 1.25 | gateway +3 MiB |" in text
    assert "| redis | 50 MiB | 51 MiB | 1 MiB | blocks |" in text
    assert "1,000 messages acknowledged in that run; none was lost" in text


def test_rows_that_slow_honest_pairs_are_named() -> None:
    """Worst first; what stands below the table holds whatever the figures are."""
    slow = msgspec.structs.replace(ROW, attack="slow", ack_ms=Latency(10.0, 20.0, 61.0, 90.0))
    worse = msgspec.structs.replace(ROW, attack="worse", ack_ms=Latency(10.0, 20.0, 80.0, 90.0))
    assert "Ratios over 1.5: `worse` 2.00, `slow` 1.52." in report.tables(Results([slow, ROW, worse]))
    assert "Ratios over 1.5: none." in report.tables(Results([ROW]))


def test_an_attack_is_measured_again_and_its_lowest_latency_counts() -> None:
    """After all others were measured once."""
    slow = msgspec.structs.replace(ROW, ack_ms=Latency(10.0, 20.0, 80.0, 90.0))
    other = msgspec.structs.replace(ROW, attack="other")
    results = Results()
    for row in (slow, other):
        results.add(row)
    assert results.needs("blocks", report.MOST_RATIO)
    assert not results.needs("other", report.MOST_RATIO)
    assert not results.needs("never measured", report.MOST_RATIO)
    results.add(ROW)
    assert not results.needs("blocks", report.MOST_RATIO)
    results.add(slow)
    assert results.rows == [ROW, other]


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
