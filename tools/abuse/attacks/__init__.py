"""The attacks, by the way in which they come."""

from typing import Final

from tools.abuse.attack import Attack
from tools.abuse.attacks import connections, controls, events, replays, requests, social

ATTACKS: Final[tuple[Attack, ...]] = (
    *controls.ATTACKS,
    *events.ATTACKS,
    *replays.ATTACKS,
    *social.ATTACKS,
    *connections.ATTACKS,
    *requests.ATTACKS,
)
