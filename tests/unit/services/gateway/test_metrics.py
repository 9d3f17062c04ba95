"""The series that alerts ask about are there before their first event."""

import re
import subprocess
import sys
from pathlib import Path

RULES = Path(__file__).parents[4] / "deploy/prometheus/rules.yml"
PRINT = "import services.gateway.metrics, prometheus_client; print(prometheus_client.generate_latest().decode())"


def test_series_of_alerts_begin_at_zero() -> None:
    """Prometheus sees no increase in a series that begins with its first event. The process is new: others have had events."""
    asked = set(re.findall(r"chat_gateway_\w+_total\{\w+=\"\w+\"\}", RULES.read_text(encoding="utf-8")))
    assert asked
    run = subprocess.run([sys.executable, "-c", PRINT], capture_output=True, text=True, check=True)
    assert asked <= {line.removesuffix(" 0.0") for line in run.stdout.splitlines()}
