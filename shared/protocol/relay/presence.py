"""What presence is told: connections, statuses, blocks, profiles, and leases that are renewed."""

from typing import Final

import msgspec

from shared.protocol.relay.base import Relayed


class Connected(Relayed, tag_field="kind", tag="connected"):
    """A connection lives. Answered with `status.bulk` to that connection. `at_ms`: Unix ms by the gateway's clock.

    `status`: the availability with which a new device came, or ''.
    """

    user_id: str
    connection_id: str
    gateway_id: str
    at_ms: int
    status: str = ""


class Disconnected(Relayed, tag_field="kind", tag="disconnected"):
    """A connection ended: by a close handshake or by us (`clean`), or it was lost.

    `certain` False: another gateway says so of one that died; a renewal proves the opposite.
    """

    user_id: str
    connection_id: str
    clean: bool
    at_ms: int
    certain: bool = True


class SetStatus(Relayed, tag_field="kind", tag="status"):
    """A device's availability: online, away or busy. `at_ms`: Unix ms by the gateway's clock; of two the later counts."""

    user_id: str
    connection_id: str
    status: str
    at_ms: int = 0


class BlockChanged(Relayed, tag_field="kind", tag="blocked"):
    """`blocker` blocks `blocked` or not. Of two about the same pair, the higher `version` counts."""

    blocker: str
    blocked: str
    active: bool
    version: int


class ProfileChanged(Relayed, tag_field="kind", tag="profile"):
    """A user's profile changed: friends are told, and the `partners`, who talked with it of late and whom no block parts from it.

    Travels in a batch of its own: a replica of an older release can't read it, and sets that batch aside.
    """

    user_id: str
    username: str
    display_name: str
    avatar: str | None
    partners: list[str]


PresenceCommand = Connected | Disconnected | SetStatus | BlockChanged | ProfileChanged


class PresenceBatch(Relayed):
    """Commands for presence, in order for each connection."""

    commands: list[PresenceCommand]


class DirectPresence(Relayed):
    """A script of presence that Redis has loaded, and that a gateway may run on its commands instead of sending them.

    Its arguments are `settings` as they are, now in Unix milliseconds, and a `PresenceBatch` without blocks and profiles. It
    returns the places of commands that presence must carry out.
    """

    sha: str
    settings: bytes


class LeaseRenewal(Relayed):
    """These connections of a gateway live: (user id, connection id). At most 800 in one."""

    gateway_id: str
    at_ms: int
    connections: list[tuple[str, str]]


presence_batch_decoder: Final = msgspec.msgpack.Decoder(PresenceBatch)
direct_presence_decoder: Final = msgspec.msgpack.Decoder(DirectPresence)
lease_renewal_decoder: Final = msgspec.msgpack.Decoder(LeaseRenewal)
