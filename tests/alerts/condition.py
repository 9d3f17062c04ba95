"""What brings an alert about, and what its page does against it."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.alerts.pages import pages
from tests.alerts.watched import Watched

Body = Callable[[Watched], AsyncIterator[None]]


@dataclass(frozen=True)
class Condition:
    """`alerts`: those that must fire, with the labels that tell them from others of that name; `how`: for the report.

    `body` causes it up to its `yield`, at which all alerts must fire, and then follows the pages, after which they must end.
    """

    alerts: Mapping[str, Mapping[str, str]]
    how: str
    body: Body

    @property
    def name(self) -> str:
        """For the names of tests."""
        return "+".join(self.alerts)

    async def passes(self, watched: Watched) -> list[str]:
        """See the alerts fire and end; returns what was run of their pages.

        Raises TimeoutError when one doesn't, and what the commands raise.
        """
        await watched.seen_whole()
        watched.followed.clear()
        async with asynccontextmanager(self.body)(watched):
            for alert, labels in self.alerts.items():
                await watched.fires(alert, labels)
                for metric in pages()[alert].metrics:
                    stored = f'{{__name__=~"{metric}(_bucket|_total)?"}}'
                    assert await watched.prometheus.has(stored), (
                        f"{metric}, which the page of {alert} names, isn't there"
                    )
        for alert, labels in self.alerts.items():
            await watched.ends(alert, labels)
        return list(watched.followed)


CONDITIONS: list[Condition] = []


def condition(how: str, **alerts: Mapping[str, str]) -> Callable[[Body], Body]:
    """Put a body on the list: `@condition("both replicas are stopped", ChatServiceDown={"job": "messaging"})`."""

    def enter(body: Body) -> Body:
        CONDITIONS.append(Condition(alerts, how, body))
        return body

    return enter
