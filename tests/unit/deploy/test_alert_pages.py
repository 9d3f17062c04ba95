"""Each alert is brought about by `make alerts` and its page is followed there, or it is said why not."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.alerts import report
from tests.alerts.condition import CONDITIONS
from tests.alerts.conditions import backends, backlog, clients, media, probe, push, services
from tests.alerts.excused import NOT_CAUSED, NOT_RUN
from tests.alerts.pages import pages
from tests.alerts.rules import RULES, alerts, shortened
from tools.checkers import checker
from tools.dashboards.families import declared

MODULES = (backends, backlog, clients, media, probe, push, services)
SOURCES = "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in MODULES)
CAUSED = {alert for one in CONDITIONS for alert in one.alerts}
SERIES = {name for families in declared().values() for family in families for name in family.series}
PROBED = re.compile(r"chat_probe_\w+")
"""Metrics of the probe, which has no registry of its own at rest."""


def test_each_alert_is_caused_or_excused() -> None:
    assert alerts().keys() == CAUSED | NOT_CAUSED.keys()
    assert not CAUSED & NOT_CAUSED.keys()


@pytest.mark.parametrize("alert", sorted(alerts()))
def test_each_command_of_a_page_is_run_or_excused(alert: str) -> None:
    for command in pages()[alert].commands:
        assert command in SOURCES or any(command.startswith(f"{begin} ") for begin in NOT_RUN), command


def test_the_table_has_each_condition() -> None:
    told = report.rows(report.DOCUMENT.read_text(encoding="utf-8"))
    assert told.keys() == {one.how for one in CONDITIONS}
    for one in CONDITIONS:
        assert told[one.how].startswith(f"| {', '.join(one.alerts)} |")


def test_rules_and_pages_name_metrics_that_services_export() -> None:
    for alert, expression in alerts().items():
        named = set(re.findall(r"\bchat_\w+", re.sub(r'"[^"]*"', "", expression))) | set(pages()[alert].metrics)
        for name in (name for name in named if not PROBED.fullmatch(name)):
            assert name in SERIES or f"{name}_bucket" in SERIES, f"{alert}: {name}"


def test_shorter_times_leave_the_rules_valid(tmp_path: Path) -> None:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump(shortened(document)), encoding="utf-8")
    done = subprocess.run(
        [checker("promtool"), "check", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"\[\d+[hd]", path.read_text(encoding="utf-8"))) == 0
