"""An AMQP message under work: acknowledged when every notification in it is settled."""

from aio_pika.abc import AbstractIncomingMessage

from shared.rabbitmq import acknowledge


class Parcel:
    """Counts what is open. Begins with one for whoever unpacks it, so that it can't be settled meanwhile."""

    def __init__(self, delivery: AbstractIncomingMessage) -> None:
        self._delivery = delivery
        self._open = 1

    def add(self) -> None:
        """One more notification of it is under way."""
        self._open += 1

    async def settle(self) -> None:
        """One is done: sent, given up, or handed back to the broker."""
        self._open -= 1
        if self._open == 0:
            await acknowledge([self._delivery])
