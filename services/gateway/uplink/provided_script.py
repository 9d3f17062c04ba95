"""A script that another service provides in Redis, and how to call it."""

import time
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import msgspec

from shared.redis import TRANSIENT_ERRORS, Partitions, RedisError
from shared.redis.connection import Argument

LOOK_SECONDS: Final = 5.0
"""How often a gateway that has work for the script checks whether it is provided."""


class Entry(Protocol):
    """How to call a script."""

    @property
    def sha(self) -> str:
        """The script's SHA-1."""


E = TypeVar("E", bound=Entry)


class ProvidedScript(Generic[E]):
    """Finds the script that `key` describes. Several partitions have none, because a script reaches only one."""

    def __init__(self, partitions: Partitions, key: str, decoder: msgspec.msgpack.Decoder[E]) -> None:
        self._partitions = partitions
        self._key = key
        self._decoder = decoder
        self._look_at = 0.0
        self.entry: E | None = None
        """What was found last."""

    async def find(self) -> E | None:
        """Return how to call it, or None while it isn't provided. Raises RedisError."""
        if len(self._partitions) == 1 and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            partition = self._partitions.at(0)
            try:
                found = cast("bytes | None", await partition.client.get(partition.key(self._key)))
            except (*TRANSIENT_ERRORS, RedisError):
                self.entry = None
                raise
            self.entry = None if found is None else self._decoder.decode(found)
        return self.entry

    def forget(self) -> None:
        """Don't use it until it is found again: Redis was restarted, or another server is the master now."""
        self.entry = None

    async def run(self, entry: E, *arguments: Argument) -> Any:
        """Run it. Raises RedisError; NoScriptError when Redis no longer has it."""
        return await self._partitions.at(0).scripts.run(entry.sha, None, arguments)
