"""Messages to presence: connections, statuses, blocks, profiles, and renewed leases."""

from typing import Final

import msgspec

from shared.protocol.relay.base import Relayed


class Connected(Relayed, tag_field="kind", tag="connected"):
    """A connection exists. It is answered with `status.bulk` to that connection. `at_ms`: Unix ms by the gateway's clock.

    `status`: the availability that a new device stated, or ''.
    """

    user_id: str
    connection_id: str
    gateway_id: str
    at_ms: int
    status: str = ""


class Disconnected(Relayed, tag_field="kind", tag="disconnected"):
    """A connection ended: by a close handshake or by the gateway (`clean`), or it was lost.

    `certain` False: another gateway reports it of a gateway that seems dead; a renewal disproves it.
    `reconnect_ms`: how long the client was told that it may take to reconnect. The user has this time on top of the grace period.
    """

    user_id: str
    connection_id: str
    clean: bool
    at_ms: int
    certain: bool = True
    reconnect_ms: int = 0


class SetStatus(Relayed, tag_field="kind", tag="status"):
    """A device's availability: online, away or busy.

    `at_ms`: Unix ms by the gateway's clock. Of two statuses the later one counts.
    """

    user_id: str
    connection_id: str
    status: str
    at_ms: int = 0


class BlockChanged(Relayed, tag_field="kind", tag="blocked"):
    """`blocker` blocked or unblocked `blocked`. Of two about the same pair, the one with the higher `version` counts."""

    blocker: str
    blocked: str
    active: bool
    version: int


class ProfileChanged(Relayed, tag_field="kind", tag="profile"):
    """A user's profile changed. Friends are told, and `partners`: users of recently active conversations without a block.

    It is sent in its own batch, because a replica of an older release can't decode it, and dead-letters that batch.
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

    Its arguments are `settings` unchanged, the current Unix milliseconds, a `PresenceBatch` without blocks and profiles, and
    perhaps a list of `FriendList`. It returns the indexes of commands that presence must carry out.

    `most_friends`: the gateway may read the friends of users who have at most so many; with 0 the script takes none.
    """

    sha: str
    settings: bytes
    most_friends: int = 0


class FriendList(Relayed):
    """A user's friends as Redis caches them (`keys.FRIENDS`). `version`: that of `keys.FRIENDS_VERSION` before they were read."""

    user_id: str
    version: str
    members: list[str]


class LeaseRenewal(Relayed):
    """These connections of a gateway are alive: (user id, connection id). At most 800 in one message."""

    gateway_id: str
    at_ms: int
    connections: list[tuple[str, str]]


presence_batch_decoder: Final = msgspec.msgpack.Decoder(PresenceBatch)
direct_presence_decoder: Final = msgspec.msgpack.Decoder(DirectPresence)
lease_renewal_decoder: Final = msgspec.msgpack.Decoder(LeaseRenewal)
