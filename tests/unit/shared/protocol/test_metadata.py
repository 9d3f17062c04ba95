"""Metadata of messages: too much of it is refused before anything looks into it."""

from typing import Any

import pytest

from shared.protocol import limits
from shared.protocol.client.fields import check_metadata


class Closed(dict[str, Any]):
    """Fails when somebody looks into it."""

    def values(self) -> Any:
        raise AssertionError("looked into")


def test_what_is_too_large_is_not_looked_into() -> None:
    """A frame has room for 100,000 values: a look at each took a gateway 40 ms."""
    with pytest.raises(ValueError, match="the limit is"):
        check_metadata(Closed(a="x" * limits.MAX_METADATA_BYTES))


@pytest.mark.parametrize("depth", [limits.MAX_METADATA_DEPTH - 1, limits.MAX_METADATA_DEPTH, 900])
def test_depth_is_limited(depth: int) -> None:
    nested: Any = "x"
    for _ in range(depth):
        nested = {"a": nested}
    if depth < limits.MAX_METADATA_DEPTH:
        check_metadata(nested)
    else:
        with pytest.raises(ValueError, match=r"nested deeper|the limit is"):
            check_metadata(nested)
