"""Redis keys and pub/sub topics: one prefix for each, and `key`, which makes full keys.

Lua scripts write a key's prefix as `{{NAME}}`, which `shared.redis.scripts` fills in. So each literal is only here.
Every key of a user lies in the user's partition (`shared.redis.partitions`), which in a cluster puts its hash tag before these
names. No script needs keys of two users. The texts of `PROCESSED_BATCHES` and `RENEWAL_FEED` differ from their names, because
replicas of older releases use the same keys.
"""

from typing import Final

ONLINE: Final = "online:"
"""string `online:{userId}`: Unix seconds; with a TTL while online, without one afterwards (last seen)."""
UNREAD_TOTAL: Final = "unread:total:"
"""string `unread:total:{userId}`: unread messages in all conversations."""
UNREAD_CONVERSATION: Final = "unread:conv:"
"""string `unread:conv:{userId}:{conversationId}`: unread messages in one."""
UNREAD_VERSION: Final = "unread:version:"
"""string `unread:version:{userId}:{conversationId}`: version of the count in `unread:conv:…`; older ones are not applied."""
UNREAD_TOTAL_SECONDS: Final = 7 * 86_400
"""TTL of a user's unread total after it was read from PostgreSQL. Afterwards it is read again when it is needed."""
UNREAD_COUNT_SECONDS: Final = 2 * UNREAD_TOTAL_SECONDS
"""TTL of `unread:conv:…` and `unread:version:…` after they were created or rebuilt: longer than that of their total."""
UNREAD_REBUILD: Final = "unread:rebuild:"
"""hash `unread:rebuild:{userId}`, while a user's counts are rebuilt in parts, in the order of conversation ids.

Fields: `UNREAD_REBUILD_NAME`, `UNREAD_REBUILD_END`, `UNREAD_REBUILD_SUM`, and the conversations whose counts changed before their
part was read.
"""
UNREAD_REBUILD_NAME: Final = "@name"
"""Field: the name of the rebuild. Another rebuild may begin when the hash has expired."""
UNREAD_REBUILD_END: Final = "@end"
"""Field: the last conversation of the parts that are done."""
UNREAD_REBUILD_SUM: Final = "@sum"
"""Field: the sum of the counts up to there."""
UNREAD_REBUILD_SECONDS: Final = 30
"""TTL of `unread:rebuild:…` after a part or a change."""
LAST_MESSAGE: Final = "last_msg:"
"""hash `last_msg:{conversationId}`: id, sender_id, content, type, created_at."""
DELIVERED: Final = "delivered:"
"""string `delivered:{conversationId}`: seq of the newest message that was delivered.

It protects `last_msg:…` and the order of deliveries.
"""

PROCESSED_BATCHES: Final = "finished:"
"""hash `finished:{gatewayId}`: batch id modulo 4,096 → id of the newest such batch that was processed (stored and announced)."""

MESSAGE_VERSIONS: Final = "versions:"
"""hash `versions:{userId}` and `versions:{conversationId}`: `<conversationId>:<seq>` → the conversation's version at the last
change of that message which the user was shown, or which was in `last_msg:…`. An older state is not shown after it.
"""
MOST_VERSIONS: Final = 10_000
"""Most entries of one hash `versions:…`."""

INBOX: Final = "inbox:"
"""stream `inbox:{userId}`: durable events, of which the oldest are trimmed.

Ids are `offset-tag`; offsets have no gaps, and the tag begins with the epoch.
"""
INBOX_OFFSET: Final = "inbox:offset:"
"""string `inbox:offset:{userId}`: the last assigned offset."""
INBOX_BYTES: Final = "inbox:bytes:"
"""string `inbox:bytes:{userId}`: upper bound of the bytes of texts that were added since a large one.

It triggers the trimming by bytes.
"""
INBOX_LARGE: Final = "inbox:large:"
"""list `inbox:large:{userId}`: `offset size` of each large text in the inbox, the oldest first."""
INBOX_CLEARED: Final = "inbox:cleared:"
"""hash `inbox:cleared:{userId}`: conversation → the seq up to which its messages left the inbox («delete for me»)."""
INBOX_COPY: Final = "inbox:copy:"
"""stream `inbox:copy:{userId}`: the inbox with some events changed, while it is written.

It takes the inbox's place in the end.
"""
INBOX_LOCK: Final = "inbox:lock:"
"""string `inbox:lock:{userId}`: token of the task that writes the inbox again."""
INBOX_EPOCH: Final = "inbox:epoch"
"""hash `inbox:epoch`: `epoch` of the partition's inboxes, and where it was checked:
`server` (replication id), `run` (run id) and `node` (of a cluster)."""
ROUTES: Final = "routes:"
"""hash `routes:{userId}`: connection id → gateway id."""
GATEWAY: Final = "gateway:"
"""pub/sub topic `gateway:{gatewayId}`: `relay.Downlink`s for one gateway.

Also a key, which exists while Redis knows the gateway.
"""
CONNECTIONS: Final = "connections:"
"""set `connections:{gatewayId}`: `<user id> <connection id>` of every connection that the gateway holds."""
GATEWAY_DEAD_MS: Final = 15_000
"""A gateway without a sign of life for this long is dead: three are missing."""
GATEWAYS_HEARD: Final = "gateways:heard"
"""sorted set: gateway id → its last sign of life, Unix ms; without gateways whose connections were taken over."""
BLOCKED: Final = "blocked:"
"""set `blocked:{userId}`: users on the other side of a block, in either direction."""
PROGRESS: Final = "progress:"
"""hash `progress:{userId}`: conversation → seq up to which no message needs a push, because the user has read it, or an active
client has it."""
PROGRESS_SECONDS: Final = 14 * 86_400
"""TTL of `progress:…` after a change (at least half of it): longer than a push may wait."""
RATE: Final = "rate:"
"""string `rate:{userId}` for messages, `rate:{budget}:{userId}` for each other budget: when it is full again, Unix ms (GCRA)."""
REST_RATE: Final = "rate:rest:"
"""string `rate:rest:{name}:{userId}`: when the user's budget for REST requests of this name is full again, Unix ms (GCRA)."""
REVOKED: Final = "revoked:"
"""string `revoked:{userId}`: Unix seconds; the user's tokens that were issued before are refused.

It expires when all of them have expired.
"""
GATEWAYS: Final = "gateways"
"""pub/sub topic of all gateways: `relay.CloseOrder` of revoked tokens."""

LEASES: Final = "leases:"
"""sorted set `leases:{userId}`: connection id → when its lease ends, Unix ms."""
STATUSES: Final = "statuses:"
"""hash `statuses:{userId}`: connection id → `<Unix ms when it was set>:<availability>`, of leased connections that set one."""
FRIENDS: Final = "friends:"
"""set `friends:{userId}`: a cache of the user ids of mutual follows, with a `-` before those with a block, and one empty text."""
LONG_FRIEND_LIST: Final = 500
"""A list with more members is never read by one script, which would keep the server busy for a millisecond or more."""
FRIENDS_VERSION: Final = "friends:version:"
"""string `friends:version:{userId}`: counts changes of the user's friends.

A list that was read before a change is not used after it.
"""
ABSENCES: Final = "absences:"
"""hash `absences:{userId}`: viewer → when the user was last seen before the block between the two, Unix seconds or empty."""
LEASES_DUE: Final = "presence:due"
"""sorted set: user id → when the next of its leases ends, Unix ms."""
RENEWAL_FEED: Final = "presence:hearing"
"""hash, Unix ms: `heard`, when a replica last consumed renewals; `trusted`, the time from which an expired lease is reliable."""
LEASES_KNOWN: Final = "presence:known"
"""string: all leases are there. When it is missing, the server has lost its data, and users without a lease may be online."""
LEASES_RESTORING: Final = "presence:restoring"
"""string, for `LEASES_RESTORING_MS` after that was noticed: gateways notice it within 5 s, and renew within one more."""
LEASES_RESTORING_MS: Final = 8_000
ANNOUNCEMENTS: Final = "presence:announcements"
"""sorted set: user id → when its transition is announced by another replica if it still waits, Unix ms."""
DIRECT_PRESENCE: Final = "presence:direct"
"""string: `relay.DirectPresence`, the script with which gateways may carry out presence commands themselves.

It has a short TTL.
"""
CLOSED_CONNECTIONS: Final = "closed:"
"""string `closed:{connectionId}`: tombstone on the user's server, so that a late connect or renewal has no effect.

The value is its end, Unix ms.
"""
TYPING: Final = "typing:"
"""string `typing:{conversationId}:{userId}`: exists while a typing indicator is shown to the other participant;
`relay.Typing.at_ms` of its last beginning.
"""
TYPING_ENDED: Final = "typing:ended:"
"""string `typing:ended:{conversationId}:{userId}`: `relay.Typing.at_ms` of the last end. Beginnings up to then are too late."""
TYPING_PAIR: Final = "typing:pair:"
"""string `typing:pair:{conversationId}`: both participants, when PostgreSQL had no block between them. It has a TTL."""
DIRECT_TYPING: Final = "typing:direct"
"""string: `relay.DirectTyping`, the script with which gateways may carry out typing signals themselves. It has a short TTL."""

INACTIVE: Final = "inactive:"
"""set `inactive:{userId}`: the user's connections whose client last said `client.state` with `active: false`."""
CHANGED: Final = "changed:"
"""string `changed:{messageId}`, on the server of the receiver: the change of a message whose push may still wait.

`CHANGED_TEXT` and at most `relay.MAX_PREVIEW_CHARACTERS` of the new text, or `CHANGED_DELETED`.
"""
CHANGED_TEXT: Final = "+"
CHANGED_DELETED: Final = "-"
CHANGED_SECONDS: Final = 2 * 86_400
"""How long `changed:…` is kept: longer than a push may wait."""
PREVIEW: Final = "preview:"
"""string `preview:{messageId}`, on the server of the receiver: the beginning of a text whose push waits.

It is deleted when the message changes; then `changed:{messageId}` has the state.
"""
PREVIEW_SECONDS: Final = 2 * 3600
"""TTL of `preview:…` after the push was deferred or decided: longer than any pause between two attempts.

Afterwards the push says «New message».
"""
SERVED: Final = "served:"
"""sorted set `served:{service}`: `<instance> <features, with commas>` → when that replica last announced them, Unix ms."""
SILENT: Final = "silent:"
"""set `silent:{messageId}`: connections without a sign of life since the message was written to them."""
PUSHED: Final = "pushed:"
"""string `pushed:{messageId}:{subscriptionId}`: `sending` while a replica sends this notification, `accepted` once its push
service has taken it."""

UNREACHED: Final = "unreached:"
"""set `unreached:{messageId}`: push subscriptions of its receiver that were given up. Only written when webhooks ask for it."""

VERDICT: Final = "verdict:sealed:"
"""string `verdict:sealed:{conversationId}:{userId}:{key}`: the moderation hook's verdict on the message or edit with this key,
encrypted with a key from the message's content."""

REPLY: Final = "reply:"
"""list `reply:{requestId}`: the answer to a request among services (`requests.Reply`); expires."""


def key(prefix: str, *parts: str) -> str:
    """Return a full key: `key(UNREAD_CONVERSATION, user_id, conversation_id)`."""
    return prefix + ":".join(parts)
