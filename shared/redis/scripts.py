"""Lua scripts with the key prefixes filled in."""

import re
from hashlib import sha1
from importlib.resources import files
from typing import Any, Final

from shared.protocol import keys
from shared.protocol.inbox import LUA_WORDS
from shared.redis.connection import Argument
from shared.redis.partitions import Partition
from shared.redis.records import fill_records

_PLACEHOLDER: Final = re.compile(r"\{\{([A-Z_]+)\}\}")
_ALONE: Final = {"PUBLISH": "PUBLISH", "NUMSUB": "NUMSUB", "NODE": "''"}
_CLUSTERED: Final = {"PUBLISH": "SPUBLISH", "NUMSUB": "SHARDNUMSUB", "NODE": "redis.call('CLUSTER', 'MYID')"}
"""What differs in a cluster: sharded pub/sub, and the expression for the id of the node."""


def load_lua(package: str, name: str, tag: str = "", *, clustered: bool = False) -> str:
    """The text of `<package>/lua/<name>.lua` for one partition.

    `{{INBOX}}` and the like become the prefixes of `protocol.keys`, behind the partition's hash tag; `{{PUBLISH}}` and
    `{{NUMSUB}}` become the commands of a cluster's sharded pub/sub, or the plain ones, and `{{NODE}}` the id of the cluster's
    node, or ''. The words of `protocol.inbox` and the records of `protocol.relay` (`shared.redis.records`) are filled in, too.
    Raises AttributeError or ValueError for what is not declared.
    """
    text = files(package).joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    words = {**LUA_WORDS, **(_CLUSTERED if clustered else _ALONE)}

    def fill(match: re.Match[str]) -> str:
        if match[1] in words:
            return words[match[1]]
        declared = str(getattr(keys, match[1]))
        # What isn't the name of a key, such as a number or a mark in a value, has no letters.
        return f"{tag}{declared}" if declared[0].isalpha() else declared

    return fill_records(_PLACEHOLDER.sub(fill, text))


class Script:
    """A Lua script, run on the partition of one's choice. Loaded on first use, and again when the server forgot it.

    Several names are files that follow one another: first the functions, then what uses them. `package:name` is a file of
    another package.
    """

    def __init__(self, package: str, *names: str) -> None:
        self._package = package
        self._names = names
        self._filled: dict[tuple[str, bool], tuple[str, str]] = {}
        self._fill("", clustered=False)

    async def __call__(self, partition: Partition, *args: Argument) -> Any:
        """Run with `args` as ARGV. Raises RedisError."""
        return await partition.scripts.run(*self._filled_for(partition), args)

    def sha_on(self, partition: Partition) -> str:
        """The SHA-1 by which a partition's server knows the script, once it has run there."""
        return self._filled_for(partition)[0]

    def _filled_for(self, partition: Partition) -> tuple[str, str]:
        filled = self._filled.get((partition.tag, partition.clustered))
        return filled or self._fill(partition.tag, clustered=partition.clustered)

    def _fill(self, tag: str, *, clustered: bool) -> tuple[str, str]:
        """The script's SHA-1 and text for a partition."""
        places = [name.rpartition(":") for name in self._names]
        texts = [load_lua(package or self._package, name, tag, clustered=clustered) for package, _, name in places]
        text = "\n".join(texts)
        filled = sha1(text.encode(), usedforsecurity=False).hexdigest(), text
        self._filled[tag, clustered] = filled
        return filled
