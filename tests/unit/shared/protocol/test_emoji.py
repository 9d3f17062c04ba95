"""Which texts are one emoji (UTS #51, ED-17)."""

import pytest

from shared.protocol.emoji import is_emoji

EMOJI = [
    "👍",
    "❤",
    "❤️",
    "☺",
    "‼",
    "👨\u200d👩\u200d👧\u200d👦",
    "👍🏽",
    "🇹🇭",
    "1️⃣",
    "1⃣",
    "#️⃣",
    "1️",
    "©️",
    "®️",
    "🏳️\u200d🌈",
    "🤷🏽\u200d♀️",
    "🧑🏻\u200d❤️\u200d💋\u200d🧑🏿",
    "😶\u200d🌫️",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
]


@pytest.mark.parametrize("text", EMOJI)
def test_sequences_are_emoji(text: str) -> None:
    assert is_emoji(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "a",
            "1",
            "#",
            "©",
            "®",
            " ",
            "\u200d",
            "\ufe0f",
            "\u20e3",
            "👍👍",
            "👍a",
            "a\ufe0f",
            "e\u0301",
            "👍\u200d",
        ),
        *("👍🏽🏽", "🇹", "🇽🇽", "🇹🇭🇹🇭", "☺☺", "👨\u200d👩\u200d👧" * 5, "👍" * 16, "\ud83d"),
    ],
)
def test_other_texts_are_none(text: str) -> None:
    assert not is_emoji(text)


def test_the_bound_is_in_bytes() -> None:
    family = "👨🏽‍👩🏽‍👧🏽‍👦🏽"
    assert len(family.encode()) <= 64
    assert is_emoji(family)
    assert not is_emoji(family + "\u200d👦🏽" * 3)
