"""The connection to the broker with the dead letters."""

from typing import Any

import aio_pika
import pytest
from aiormq.exceptions import AMQPError

from tools.dead_letters import connect


async def test_nodes_that_do_not_answer_leave_no_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[aio_pika.Connection] = []

    class Noted(aio_pika.Connection):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    monkeypatch.setattr(aio_pika, "Connection", Noted)
    with pytest.raises((AMQPError, OSError)):
        await connect("amqp://guest:guest@127.0.0.1:1,127.0.0.1:1/")
    assert [each.is_closed for each in made] == [True, True]
