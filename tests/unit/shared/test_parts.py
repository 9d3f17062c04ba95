"""shared.parts: where a part ends."""

import pytest

from shared.parts import parts_by_weight


@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        ([], []),
        ([9, 9, 9], [[9, 9], [9]]),
        ([5, 5, 5], [[5, 5], [5]]),
        ([25, 1], [[25], [1]]),
        ([1, 25, 1], [[1, 25], [1]]),
        ([0, 0, 0], [[0, 0, 0]]),
    ],
)
def test_a_part_ends_with_the_item_that_reaches_the_weight(weights: list[int], parts: list[list[int]]) -> None:
    assert list(parts_by_weight(weights, lambda weight: weight, 10)) == parts
