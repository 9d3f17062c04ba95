"""sqlfluff finds nothing in the statements. Its rules are in pyproject.toml."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDERS = ("services", "shared", "tools")
COMMAND = [
    *(sys.executable, "-m", "sqlfluff", "lint", "--config", "pyproject.toml"),
    *("--disable-progress-bar", "--nocolor", "--format", "json"),
]
FAULTY = "select id from messaging.messages WHERE id = $1\n"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The path of each statement, and of a faulty one → what sqlfluff says of it. One process: it takes long to start."""
    faulty = tmp_path_factory.mktemp("sql") / "faulty.sql"
    faulty.write_text(FAULTY, encoding="utf-8")
    done = subprocess.run([*COMMAND, *FOLDERS, str(faulty)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return {
        one["filepath"]: [
            f"{fault['start_line_no']}: {fault['code']} {fault['description']}" for fault in one["violations"]
        ]
        for one in json.loads(done.stdout)
    }


def test_no_statement_has_a_fault(found: dict[str, list[str]]) -> None:
    ours = {path: faults for path, faults in found.items() if not path.endswith("faulty.sql")}
    assert len(ours) > 100
    assert {path: faults for path, faults in ours.items() if faults} == {}


def test_a_fault_would_be_found(found: dict[str, list[str]]) -> None:
    (told,) = [faults for path, faults in found.items() if path.endswith("faulty.sql")]
    assert any("CP01" in fault for fault in told)
