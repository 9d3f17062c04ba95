"""Commands of package managers and builds, run to their end."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


def run_command(command: Sequence[str], folder: Path, seconds: float = 300) -> str:
    """The output of a command in a folder; AssertionError, with all that it printed, when it fails."""
    environment = {**os.environ, "NO_COLOR": "1", "CI": "1", "npm_config_update_notifier": "false"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
