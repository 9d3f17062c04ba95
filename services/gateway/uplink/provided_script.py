"""A script that another service provides in Redis, and how to call it."""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar, cast

import msgspec
import structlog
from redis.exceptions import NoScriptError

from shared.redis import REDIS_ERRORS, Argument, Partitions

log = structlog.get_logger(__name__)

COMMANDS_PER_CALL: Final = 64
"""Limits how long one script keeps Redis busy: a presence command costs about 20 µs, and 5 µs for each friend who is notified."""
LOOK_SECONDS: Final = 5.0
"""How often a gateway that has work for the script checks whether it is provided."""


class Entry(Protocol):
    """How to call a script."""

    @property
    def sha(self) -> str:
        """The script's SHA-1."""


C = TypeVar("C")
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
            except REDIS_ERRORS:
                self.entry = None
                raise
            self.entry = None if found is None else self._decoded(found)
        return self.entry

    def _decoded(self, found: bytes) -> E | None:
        try:
            return self._decoder.decode(found)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.error("script.undecodable", key=self._key, error=str(error))
            return None

    async def carry_out(
        self, commands: Sequence[C], run: Callable[[E, Sequence[C]], Awaitable[Iterable[int]]]
    ) -> list[C]:
        """Carry commands out. Returns those that the script's service must carry out, in order; without a script, all.

        `run` runs the script on at most `COMMANDS_PER_CALL` commands, and returns the indexes of those that the script left. The
        service may safely repeat any command.
        """
        left: list[C] = []
        for first in range(0, len(commands), COMMANDS_PER_CALL):
            left += await self._try(commands[first : first + COMMANDS_PER_CALL], run)
        return left

    async def _try(
        self, commands: Sequence[C], run: Callable[[E, Sequence[C]], Awaitable[Iterable[int]]]
    ) -> Sequence[C]:
        try:
            entry = await self.find()
            return commands if entry is None else [commands[place] for place in sorted(await run(entry, commands))]
        except NoScriptError:
            # Redis was restarted, or another server is the master now. The service will load the script again.
            self.entry = None
        except REDIS_ERRORS as error:
            # The service may have another connection to Redis, and keeps what it gets until Redis is back.
            log.info("script.not_run", key=self._key, commands=len(commands), error=repr(error))
        return commands

    async def run(self, entry: E, *arguments: Argument) -> Any:
        """Run it. Raises RedisError; NoScriptError when Redis no longer has it."""
        return await self._partitions.at(0).scripts.run(entry.sha, None, arguments)
