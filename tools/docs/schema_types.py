"""The type that a JSON schema stands for, written in a programming language."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Language:
    """How a language writes types. `primitives` are by JSON's name; `anything` is the type of a schema that says nothing."""

    primitives: Mapping[str, str]
    anything: str
    literals: Callable[[Sequence[object]], str]
    array: Callable[[str], str]
    """Type of the items → type of the array."""
    dictionary: Callable[[str], str]
    """Type of the values → type of the object."""


def name_of(reference: dict[str, Any]) -> str:
    """The name of the schema that a `$ref` names."""
    return str(reference["$ref"].rsplit("/", 1)[1])


def type_of(schema: dict[str, Any], language: Language) -> str:
    """The type, as `language` writes it."""
    if "$ref" in schema:
        return name_of(schema)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(type_of(option, language) for option in schema["anyOf"]))
    if "enum" in schema:
        return language.literals(schema["enum"])
    if "const" in schema:
        return language.literals([schema["const"]])
    kind = schema.get("type")
    if kind == "array":
        return language.array(type_of(schema.get("items", {}), language))
    if kind == "object":
        return language.dictionary(type_of(schema.get("additionalProperties") or {}, language))
    return language.primitives.get(str(kind), language.anything)
