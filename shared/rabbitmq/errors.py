"""Errors of RabbitMQ connections, as far as services handle them.

TRANSIENT_ERRORS      the same publish may succeed later
PUBLISH_ERRORS        everything that a publish raises: transient errors, and BrokerUnavailable
BrokerUnavailable     nothing was sent: there is no connection, or the broker blocks publishers
Refused               the broker didn't accept a message
  Unroutable          the queue doesn't exist
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiormq.exceptions import AMQPError

TRANSIENT_ERRORS: Final = (AMQPError, OSError, TimeoutError)
"""Errors after which the same publish may succeed."""


class BrokerUnavailable(Exception):
    """There is no connection to publish on right now, or the broker blocks publishers."""


class Refused(AMQPError):
    """The broker didn't accept a message: the queue is full, or doesn't exist."""


class Unroutable(Refused):
    """The queue doesn't exist. A publisher can declare it and publish again."""


PUBLISH_ERRORS: Final = (BrokerUnavailable, *TRANSIENT_ERRORS)
"""Everything that `Publisher.publish` raises."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise ConnectionError for a closed connection, and CancelledError for a cancelled task: aiormq 7.2 mixes them up.

    When a connection closes, aiormq raises a bare `Exception` or CancelledError in tasks that wait on it
    (`aiormq.base.FutureStore`), and StopAsyncIteration when it closes during the handshake (`FrameReceiver.get_frame`). aio-pika
    and uvloop raise RuntimeError for a closing connection. All of these become ConnectionError: otherwise they would end a task
    unnoticed. A task that is cancelled at that moment gets the bare `Exception`. It becomes CancelledError: otherwise the task
    would go on.
    """
    task = asyncio.current_task()
    try:
        yield
    except asyncio.CancelledError:
        if task is not None and task.cancelling():
            raise
        raise ConnectionError("the connection was closed") from None
    except Exception as error:
        if task is not None and task.cancelling():
            raise asyncio.CancelledError from error
        if type(error) is Exception or isinstance(error, StopAsyncIteration | RuntimeError):
            raise ConnectionError("the connection was closed") from error
        raise
