"""Commands of package managers and builds, run to their end."""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ENVIRONMENT = {
    "NO_COLOR": "1",
    "CI": "1",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    # Retries: a short failure of the network must not fail a test.
    "npm_config_fetch_retries": "5",
    "npm_config_fetch_retry_mintimeout": "1000",
    "npm_config_prefer_offline": "true",
    "PIP_RETRIES": "5",
}

TSC, VITE, PUBLINT, ATTW = (f"node_modules/.bin/{name}" for name in ("tsc", "vite", "publint", "attw"))
"""Programs of installed packages, for commands in an application's folder. Through npx, npm would be started for each first."""
IMPORTED = re.compile(r"""(?:\bfrom|\bimport\(?|\brequire\()\s*["']([^"'.][^"']*)["']""")
"""The name of a module in JavaScript that isn't a file beside it."""


def run_command(
    command: Sequence[str], folder: Path, seconds: float = 300, *, environment: Mapping[str, str] | None = None
) -> str:
    """The output of a command in a folder; AssertionError, with all that it printed, when it fails."""
    variables = {**os.environ, **ENVIRONMENT, **(environment or {})}
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=seconds
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def compile_together(folder: Path, names: Sequence[str]) -> dict[str, list[str]]:
    """Compile the TypeScript projects of these names in a folder. Returns name → faults.

    One process reads the types of browsers and React once for all, and is warm after the first: half the CPU time.
    """
    command = [TSC, "--build", *names]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    lines = done.stdout.splitlines()
    found = {name: [line for line in lines if line.startswith(f"{name}/")] for name in names}
    assert sum(map(len, found.values())) == len([line for line in lines if line and not line.startswith(" ")]), (
        done.stdout
    )
    assert all((folder / name / "tsconfig.tsbuildinfo").exists() for name in names), done.stderr
    return found


def install_packages(folder: Path, *packages: str) -> None:
    """Install packages of npm, each with an exact version or as a file, into the application in a folder."""
    floating = [package for package in packages if not re.search(r"@\d+\.\d+\.\d+$|\.tgz$", package)]
    assert not floating, f"say exactly which version of {floating} is meant"
    # None of them needs its own scripts, which take a quarter of the time.
    run_command(["npm", "install", "--ignore-scripts", "--save-exact", *packages], folder)


def undeclared_imports(package: Path, sources: Path) -> set[str]:
    """The packages that a package's sources import although its `package.json` doesn't ask for them."""
    document = json.loads((package / "package.json").read_text())
    kinds = ("dependencies", "devDependencies", "peerDependencies")
    declared = {document.get("name"), *(name for kind in kinds for name in document.get(kind, {}))}
    files = [file for file in sources.rglob("*") if re.search(r"\.[cm]?[jt]sx?$", file.name)]
    found = {name for file in files for name in IMPORTED.findall(file.read_text(encoding="utf-8"))}
    packages = {re.match(r"(@[^/]+/)?[^/]+", name).group() for name in found if not name.startswith("node:")}  # type: ignore[union-attr]
    return packages - declared
