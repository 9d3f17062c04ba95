"""How many examples tests with generated input try: `make fuzz` sets FUZZ, the factor by which it tries more."""

import os
from typing import Final

from hypothesis import settings

FACTOR: Final = int(os.environ.get("FUZZ", "1"))

settings.register_profile("fuzz", max_examples=100 * FACTOR, deadline=None)


def scaled(usual: int) -> int:
    """Return how many examples a test tries that usually tries `usual` ones."""
    return usual * FACTOR
