"""Which text is empty, which names are refused, and which usernames are one."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.protocol.text import is_blank, name_fault, username_key, without_forbidden

BLANKS = [
    "",
    " ",
    "\n\t",
    "\u00a0\u3000",
    "\u200b",
    "\u200d\u200e",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u2800",
    "\u3164",
    "\uffa0",
]


@pytest.mark.parametrize("text", [*BLANKS, "\u115f", "\U000e0041", "\ufe0f", " \u2800\u200b\u3164 "])
def test_text_without_a_visible_character_is_blank(text: str) -> None:
    assert is_blank(text)


@pytest.mark.parametrize("text", ["a", " . ", "\u200bx", "👍", "\u0e2a", "\u2801"])
def test_one_visible_character_is_enough(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize(
    "name",
    [
        "a\nb",
        "a\0b",
        "a\u202eb",
        "a\u2066b",
        "a\u200bb",
        "a\u2060b",
        "a\ufeffb",
        "a\u2028b",
        "a\x85b",
        "a\ud800",
        "\u200da",
        "a\u200f",
    ],
)
def test_names_refuse_what_is_invisible_or_turns_the_text(name: str) -> None:
    fault = name_fault(name)
    assert fault is not None
    assert fault.startswith("remove the character U+")


@pytest.mark.parametrize(
    "name", ["Łukasz 2", "สมชาย มีสุข", "می\u200cخواهم", "👩\u200d💻 dev", "a\u200fb", "a\u061cb", "O'Brien"]
)
def test_names_of_all_scripts_pass(name: str) -> None:
    assert name_fault(name) is None
    assert without_forbidden(name) == name


@pytest.mark.parametrize("name", BLANKS)
def test_a_name_needs_a_visible_character(name: str) -> None:
    assert name_fault(name) is not None
    assert without_forbidden(name) == ""


def test_what_is_forbidden_is_taken_out() -> None:
    assert without_forbidden("al\u200bi\u202ece\n") == "alice"
    assert without_forbidden("\u200dali\u200dce\u200f ") == "ali\u200dce "


@given(st.text())
def test_a_cleaned_name_is_empty_or_has_no_fault(text: str) -> None:
    cleaned = without_forbidden(text)
    assert cleaned == "" or name_fault(cleaned) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [("Alice", "alice"), ("STRASSE", "straße"), ("ﬁsh", "FISH"), ("Ａlice", "alice"), ("Å", "a\u030a")],
)
def test_usernames_that_are_one(one: str, other: str) -> None:
    assert username_key(one) == username_key(other)


def test_usernames_that_are_two() -> None:
    assert username_key("alice") != username_key("alíce")


@given(st.text())
def test_a_key_is_its_own_key(text: str) -> None:
    key = username_key(text)
    assert unicodedata.is_normalized("NFKC", key)
    assert username_key(key) == key
