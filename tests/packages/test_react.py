"""The React hooks: their own tests, and the example application that is built with the packed packages."""

import json
import shutil
from pathlib import Path

from tests.packages import versions
from tests.support.packages import run_command

EXAMPLE = Path(__file__).parents[2] / "examples" / "react"


def test_their_own_tests_pass(clients: Path) -> None:
    assert "fail 0" in run_command(["npm", "test"], clients / "react")


def test_the_example_builds_with_the_packed_packages(packed_client: Path, packed_hooks: Path, tmp_path: Path) -> None:
    folder = tmp_path / "example"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    package = json.loads((folder / "package.json").read_text())
    package["dependencies"] |= {
        "@chat-backend/client": f"file:{packed_client}",
        "@chat-backend/react": f"file:{packed_hooks}",
    }
    package["devDependencies"]["vite"] = versions.vite().removeprefix("vite@")
    (folder / "package.json").write_text(json.dumps(package))
    run_command(["npm", "install"], folder)
    run_command(["npm", "run", "build"], folder)
    assert any((folder / "dist" / "assets").glob("*.js"))
