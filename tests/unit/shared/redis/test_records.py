"""Scripts write what they publish in the layout of the structs."""

import re
from pathlib import Path

import pytest

from shared.protocol import inbox, relay
from shared.redis import load_lua
from shared.redis.records import fill_records

ROOT = Path(__file__).parents[4]
SCRIPTS = sorted((ROOT / "services").rglob("*.lua"))


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("relay.ConnectionEvent{connection_id = c, text = t}", "{c, t}"),
        ("relay.ConnectionEvent{text = f(a, {b}), connection_id = list[i]}", "{list[i], f(a, {b})}"),
        (
            "relay.Downlink{close_orders = {relay.CloseOrder{close_code = 1, user_id = u}}}",
            "{{}, {}, {}, {}, '', {{1, u}}}",
        ),
        ("relay.TransientEvent{user_ids = {u}, text = t, since_ms = at}", "{{u}, t, '', at}"),
        ("known[relay.Downlink.completed]", "known[4]"),
        ("relay.ConnectionEvent{\n  connection_id = c,\n  text = t\n}", "{c, t}"),
    ],
)
def test_records_become_arrays(written: str, filled: str) -> None:
    assert fill_records(written) == filled


@pytest.mark.parametrize(
    "written",
    [
        "relay.Nothing{text = t}",
        "relay.ConnectionEvent{txt = t}",
        "relay.ConnectionEvent.txt",
        "relay.ConnectionEvent{text = t}",
        "relay.ConnectionEvent{t}",
    ],
)
def test_what_is_not_declared_or_missing_is_an_error(written: str) -> None:
    with pytest.raises(ValueError, match=r"declares|no field|no default|is no field"):
        fill_records(written)


def test_an_event_ends_as_scripts_end_it() -> None:
    delivery = relay.DurableEvent("user", 7, True, '{"payload":{"unread":{"total":', "77", 3)
    assert delivery.json == '{"payload":{"unread":{"total":3}},"cursor":"7-77"}'
    assert inbox.event_json('{"type":"x"', None, "7-77") == '{"type":"x","cursor":"7-77"}'


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_lays_out_entries_or_downlinks_by_hand(path: Path) -> None:
    """Neither the fields of inbox entries, nor their places, nor arrays that are published."""
    text = path.read_text(encoding="utf-8")
    code = "\n".join(line.split("--")[0] for line in text.splitlines())
    assert not re.search(r"fields\[\d\]|entry\[2\]\[\d\]|XADD.*'[epu]'", code)
    assert not re.search(r"cmsgpack\.pack\(\s*\{", code)
    package = ".".join(path.relative_to(ROOT).parts[:-2])
    assert "relay." not in "\n".join(line.split("--")[0] for line in load_lua(package, path.stem).splitlines())
