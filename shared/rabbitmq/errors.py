"""What can go wrong with RabbitMQ, in words that services can act upon.

TRANSIENT_ERRORS      the same publish may succeed later
BrokerUnavailable     nothing was sent: there is no connection, or the broker blocks publishers
Refused               the broker didn't take a message
  Unroutable          because there is no such queue
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
    """The broker didn't take a message: the queue is full, or there is none."""


class Unroutable(Refused):
    """There is no such queue now: whoever declares it may publish again."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Tell a closing connection from a cancelled task, which aiormq 7.2 confuses.

    It ends what waits on a connection that closes with a bare `Exception` or with CancelledError (`aiormq.base.FutureStore`),
    and a handshake that is cut off with StopAsyncIteration (`FrameReceiver.get_frame`); aio-pika and uvloop raise
    RuntimeError for what is closing. All become ConnectionError, or a task would die of them unnoticed. And a task that is
    cancelled in that moment gets the bare `Exception`: that becomes CancelledError, or the task would live on.
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
