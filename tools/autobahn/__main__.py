"""`make autobahn`: run the suite, and print the cases that don't conform to RFC 6455. Exits with 1 when one failed.

The suite is Python 2 code, in a separate environment under `.local/autobahn`; PYTHON2 names its interpreter.
Cases about size and speed (9) and compression (12, 13), which the gateway doesn't offer, are left out.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from tools.stack.ports import free_port

ROOT: Final = Path(__file__).parents[2]
HOME: Final = ROOT / ".local/autobahn"
PROGRAM: Final = HOME / "environment/bin/wstest"
VIRTUALENV: Final = "virtualenv==20.15.1"
"""The last version that can create an environment of Python 2.7."""
SUITE: Final = "autobahntestsuite==0.8.2"
EXCLUDED: Final = ["9.*", "12.*", "13.*"]
LIMIT_SECONDS: Final = 900
FAULTS: Final = {"FAILED", "WRONG CODE", "UNCLEAN", "UNIMPLEMENTED"}


def main() -> None:
    """Install what is missing, run the suite, and judge its report."""
    HOME.mkdir(parents=True, exist_ok=True)
    if not PROGRAM.exists():
        install()
    port = free_port()
    server = subprocess.Popen([sys.executable, "-m", "tools.autobahn.echo", str(port)], cwd=ROOT)
    try:
        time.sleep(2)
        run(port)
    finally:
        server.terminate()
        server.wait(10)
    faults = judge(json.loads((HOME / "reports/index.json").read_text(encoding="utf-8"))["gateway"])
    raise SystemExit(1 if faults else 0)


def install() -> None:
    """Make the environment of Python 2.7. Exits when there is none."""
    python2 = os.environ.get("PYTHON2") or shutil.which("python2.7")
    if python2 is None:
        raise SystemExit("The Autobahn suite needs Python 2.7: PYTHON2=/path/to/python2.7 make autobahn")
    tool = HOME / "virtualenv"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tool), VIRTUALENV], check=True)
    environment = {**os.environ, "PYTHONPATH": str(tool)}
    make = [sys.executable, "-m", "virtualenv", "--quiet", "--python", python2, str(HOME / "environment")]
    subprocess.run(make, env=environment, check=True)
    subprocess.run([str(HOME / "environment/bin/pip"), "install", "--quiet", SUITE], check=True)


def run(port: int) -> None:
    """Let the suite's client try every case."""
    specification = {
        "outdir": str(HOME / "reports"),
        "servers": [{"agent": "gateway", "url": f"ws://127.0.0.1:{port}"}],
        "cases": ["*"],
        "exclude-cases": EXCLUDED,
        "exclude-agent-cases": {},
    }
    written = HOME / "specification.json"
    written.write_text(json.dumps(specification), encoding="utf-8")
    shutil.rmtree(HOME / "reports", ignore_errors=True)
    with (HOME / "wstest.log").open("w") as log:
        command = [str(PROGRAM), "-m", "fuzzingclient", "-s", str(written)]
        subprocess.run(command, stdout=log, stderr=log, timeout=LIMIT_SECONDS, check=True)


def judge(cases: dict[str, dict[str, Any]]) -> list[str]:
    """Print a summary, and return the cases that failed."""
    print(f"{len(cases)} cases: {dict(Counter(case['behavior'] for case in cases.values()))}")
    faults = []
    for name, case in sorted(cases.items(), key=lambda item: [int(part) for part in item[0].split(".")]):
        if case["behavior"] in FAULTS or case["behaviorClose"] in FAULTS:
            faults.append(name)
            print(f"{name}: {case['behavior']}, close {case['behaviorClose']} {case['remoteCloseCode']}")
    return faults


if __name__ == "__main__":
    main()
