"""Which Python the environment in `.venv` is made with."""

import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

DISTRIBUTIONS_OWN: Final = "/usr/bin/python3"
OLDEST: Final = (3, 11)
_IS_USABLE: Final = f"import ensurepip, sys; sys.exit(sys.version_info < {OLDEST})"


def faster(own: str = DISTRIBUTIONS_OWN) -> str | None:
    """The distribution's Python, when the one that runs this was built without optimizations and that one can be used.

    Version managers build without them unless asked: such a Python takes a quarter more CPU, and twice as long to start.
    """
    if sys.platform != "linux" or is_optimized(sys.base_prefix, sysconfig.get_config_var("CONFIG_ARGS")):
        return None
    return own if _output(own, _IS_USABLE) is not None else None


def is_optimized(prefix: str, configured: str | None) -> bool:
    """Whether a Python was built with optimizations: one of a distribution is, whatever the options of its `configure` say."""
    return prefix == "/usr" or "--enable-optimizations" in (configured or "")


def is_this(python: Path) -> bool:
    """Whether the program `python` is the Python that runs this: the same version of the same build."""
    return _output(str(python), "import sys; print(sys.version)") == f"{sys.version}\n"


def _output(python: str, code: str) -> str | None:
    """What the code prints; None when it fails, or there is no such program."""
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
