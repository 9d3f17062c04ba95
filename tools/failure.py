"""Failures of commands: what went wrong, and what the user can do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from aiormq.exceptions import AMQPError
from chat_client import ChatError, ClientClosed, ConnectionLost, ServerError

from shared.redis import RedisError

REMEDIES: Final = {
    "user_not_found": "check the name: a user is known once it has connected, as with `chatctl tail NAME`",
    "blocked": "one of the two blocks the other: look at `GET /chat/blocks`",
    "unauthorized": "sign with the secret of the services: set CHAT_JWT_SECRET to theirs",
    "rate_limit_exceeded": "wait a little: CHAT_MESSAGES_PER_MINUTE sets how many are allowed",
    "validation_error": "change the message as the text says",
    "unavailable": "look at `chatctl status` for the service that isn't ready",
}
"""Error code → what to do."""


class Failure(Exception):
    """A problem with its remedy."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of the client and the backends into failures."""
    try:
        yield
    except ServerError as error:
        remedy = REMEDIES.get(error.code, "try again; the services' logs say more")
        raise Failure(f"the server refused: {error.message}", remedy) from error
    except ClientClosed as error:
        remedy = REMEDIES.get(error.reason, "connect again later")
        raise Failure(f"the server ended the connection: {error}", remedy) from error
    except ConnectionLost as error:
        raise Failure(
            f"no answer: {error}", "see whether it runs with `chatctl status`, or name another with --url"
        ) from error
    except TimeoutError as error:
        raise Failure("no answer in time", "see what isn't ready with `chatctl status`") from error
    except (OSError, asyncpg.PostgresError, RedisError, AMQPError, ChatError) as error:
        raise Failure(f"{type(error).__name__}: {error}", "see what isn't ready with `chatctl status`") from error
