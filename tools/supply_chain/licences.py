"""The licences that an image may contain: those that ask only for a notice, or only for changes to their own files."""

import re
from typing import Final

ALLOWED: Final = frozenset(
    {
        *("MIT", "MIT-0", "MIT-CMU", "MIT License", "ISC", "ISC License (ISCL)", "0BSD", "Unlicense"),
        *("Apache-2.0", "Apache Software License", "Apache License 2.0"),
        *("BSD", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "3-Clause BSD License"),
        *("PSF-2.0", "Python Software Foundation License", "CNRI-Python"),
        *("MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"),
    }
)
LIBRARIES: Final = {"pebble": "GNU Library or Lesser General Public License (LGPL)"}
"""Distributions under the LGPL that are used as they are published, and that anybody can replace in the image: its section 6."""
_JOINTS: Final = re.compile(r" AND | OR |[()]")
_WHOLE: Final = re.compile("|".join(re.escape(name) for name in sorted(ALLOWED, key=len, reverse=True)))


def is_allowed(name: str, licence: str) -> bool:
    """Whether every licence of the expression is in the list, or the distribution in the list of libraries."""
    if LIBRARIES.get(name) == licence:
        return True
    rest = _WHOLE.sub("", licence)
    return licence != "" and _JOINTS.sub("", rest).strip(" ;") in {"", "AND", "OR"}
