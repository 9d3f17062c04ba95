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
"""The differences in a cluster: sharded pub/sub, and the expression for the node's id."""


def load_lua(package: str, name: str, tag: str = "", *, clustered: bool = False) -> str:
    """Return the text of `<package>/lua/<name>.lua` for one partition.

    `{{INBOX}}` and similar words become prefixes of `protocol.keys`, after the partition's hash tag. `{{PUBLISH}}` and
    `{{NUMSUB}}` become the plain commands or those of a cluster's sharded pub/sub, and `{{NODE}}` the id of the cluster's node,
    or ''. The words of `protocol.inbox` and the records of `protocol.relay` (`shared.redis.records`) are filled in too. Raises
    AttributeError or ValueError for a word that isn't declared.
    """
    text = files(package).joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
    words = {**LUA_WORDS, **(_CLUSTERED if clustered else _ALONE)}

    def fill(match: re.Match[str]) -> str:
        if match[1] in words:
            return words[match[1]]
        declared = str(getattr(keys, match[1]))
        # A declaration that isn't a key, such as a number or a mark in a value, gets no hash tag.
        return f"{tag}{declared}" if declared[0].isalpha() else declared

    return fill_records(_PLACEHOLDER.sub(fill, text))


class Script:
    """A Lua script, which can run on any partition. It is loaded at its first use, and again when the server has lost it.

    Several names are files that are joined in this order: functions first, then their users. `package:name` is a file of another
    package.
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
        """Return the script's SHA-1 for a partition. Its server knows it after the first run."""
        return self._filled_for(partition)[0]

    def _filled_for(self, partition: Partition) -> tuple[str, str]:
        filled = self._filled.get((partition.tag, partition.clustered))
        return filled or self._fill(partition.tag, clustered=partition.clustered)

    def _fill(self, tag: str, *, clustered: bool) -> tuple[str, str]:
        """Return the script's SHA-1 and text for a partition."""
        places = [name.rpartition(":") for name in self._names]
        texts = [load_lua(package or self._package, name, tag, clustered=clustered) for package, _, name in places]
        text = "\n".join(texts)
        filled = sha1(text.encode(), usedforsecurity=False).hexdigest(), text
        self._filled[tag, clustered] = filled
        return filled
