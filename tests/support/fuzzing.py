"""How long tests that make their own input try: `make fuzz` sets FUZZ, the factor by which they try more than in each run."""

import os
from typing import Final

from hypothesis import settings

FACTOR: Final = int(os.environ.get("FUZZ", "1"))

settings.register_profile("fuzz", max_examples=100 * FACTOR, deadline=None)


def scaled(usual: int) -> int:
    """How many examples a test tries that tries `usual` ones in each run."""
    return usual * FACTOR
