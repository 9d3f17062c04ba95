"""sqlfluff finds nothing in the statements. Its rules are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
FOLDERS = ("services", "shared", "tools")
COMMAND = [
    sys.executable,
    "-m",
    "sqlfluff",
    "lint",
    "--config",
    "pyproject.toml",
    "--disable-progress-bar",
    "--nocolor",
]


def test_no_statement_has_a_fault() -> None:
    done = subprocess.run([*COMMAND, *FOLDERS], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_fault_would_be_found(tmp_path: Path) -> None:
    statement = tmp_path / "statement.sql"
    statement.write_text("select id from messaging.messages WHERE id = $1\n", encoding="utf-8")
    done = subprocess.run([*COMMAND, str(statement)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "CP01" in done.stdout
