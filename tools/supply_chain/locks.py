"""`make lock`: gives each version in `requirements.lock` its hashes, and writes what each image takes: `deploy/image/*.lock`.

pip and uv check the hashes by themselves where a file of requirements has any; then every line needs them.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from tools.stack.home import ROOT
from tools.supply_chain.distributions import SERVICES, components

LOCK: Final = ROOT / "requirements.lock"
IMAGES: Final = {"services": SERVICES, "migrations": ("migrations",), "chatctl": ("chatctl",)}
"""Image → the extras that it has."""
_REQUIREMENT: Final = re.compile(r"^(?P<name>[\w.-]+)==\S+(?: ;[^\\\n]+)?(?: \\\n    --hash=\S+)+$", re.MULTILINE)


def image_locks() -> dict[Path, str]:
    """The file of each image → its text: the lines of `requirements.lock` for everything that the image's extras need.

    Reads what is installed. Raises KeyError, naming it, for a distribution that the lock doesn't have with hashes.
    """
    lines = {canonicalize_name(found["name"]): found[0] for found in _REQUIREMENT.finditer(LOCK.read_text("utf-8"))}
    return {
        ROOT / f"deploy/image/{image}.lock": "".join(
            f"{lines[canonicalize_name(one.name)]}\n" for one in components(extras)
        )
        for image, extras in IMAGES.items()
    }


def main() -> None:
    """Ask the package index for hashes, install what is missing, and write the files."""
    compiler = [str(ROOT / ".venv/bin/uv"), "pip", "compile", "--quiet", "--no-deps", "--generate-hashes"]
    output = ["--no-header", "--no-annotate", "--output-file", str(LOCK), str(LOCK)]
    subprocess.run([*compiler, *output], check=True)
    subprocess.run([sys.executable, "-m", "tools.stack.install", "--for-tests"], cwd=ROOT, check=True)
    for path, text in image_locks().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
