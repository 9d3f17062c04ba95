"""Redis keys and pub/sub topics: one prefix for each, and how a whole key is made.

Lua scripts name a key's prefix as `{{NAME}}` (`shared.redis.scripts` fills it in), so that each literal stands here alone.
Every key of a user lies in the user's partition (`shared.redis.partitions`), which in a cluster puts its hash tag before these
names; nothing needs the keys of two users together.
The texts of `PROCESSED_BATCHES` and `RENEWAL_FEED` are older than these names: replicas of two releases share the keys.
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
"""How long a user's unread total lives after it was read from PostgreSQL; then it is read anew when it is needed."""
UNREAD_COUNT_SECONDS: Final = 2 * UNREAD_TOTAL_SECONDS
"""How long `unread:conv:…` and `unread:version:…` live after they were made, or rebuilt: longer than their total."""
UNREAD_REBUILD: Final = "unread:rebuild:"
"""hash `unread:rebuild:{userId}`, while a user's counts are rebuilt in parts, by conversation ids: `UNREAD_REBUILD_NAME`,
`UNREAD_REBUILD_END`, `UNREAD_REBUILD_SUM`, and the conversations whose counts changed before their part came."""
UNREAD_REBUILD_NAME: Final = "@name"
"""Field: whose rebuild this is. Another one takes over when the hash has expired."""
UNREAD_REBUILD_END: Final = "@end"
"""Field: the last conversation of the parts that are done."""
UNREAD_REBUILD_SUM: Final = "@sum"
"""Field: the sum of their counts."""
UNREAD_REBUILD_SECONDS: Final = 30
"""How long `unread:rebuild:…` lives after a part, or a change."""
LAST_MESSAGE: Final = "last_msg:"
"""hash `last_msg:{conversationId}`: id, sender_id, content, type, created_at."""
DELIVERED: Final = "delivered:"
"""string `delivered:{conversationId}`: seq of the newest message that was delivered; guards `last_msg:…` and the order."""

PROCESSED_BATCHES: Final = "finished:"
"""hash `finished:{gatewayId}`: batch id modulo 4,096 → id of the newest such batch that was processed: stored and announced."""

MESSAGE_VERSIONS: Final = "versions:"
"""hash `versions:{userId}` and `versions:{conversationId}`: `<conversationId>:<seq>` → version of the conversation after the last
change of that message which was shown to the user, or stood in `last_msg:…`. What was read before it is not shown after it."""

INBOX: Final = "inbox:"
"""stream `inbox:{userId}`: durable events, oldest trimmed; ids `offset-tag`, offsets without gaps, the tag
begins with the epoch."""
INBOX_OFFSET: Final = "inbox:offset:"
"""string `inbox:offset:{userId}`: the offset last given."""
INBOX_BYTES: Final = "inbox:bytes:"
"""string `inbox:bytes:{userId}`: at most how many bytes of texts came since a large one did;
says when to look at how many are kept."""
INBOX_EPOCH: Final = "inbox:epoch"
"""hash `inbox:epoch`: `epoch` of the partition's inboxes, and where it was checked:
`server` (replication id), `run` (run id) and `node` (of a cluster)."""
ROUTES: Final = "routes:"
"""hash `routes:{userId}`: connection id → gateway id."""
GATEWAY: Final = "gateway:"
"""pub/sub topic `gateway:{gatewayId}`: what one gateway is to deliver; and the key that says that Redis knows it."""
CONNECTIONS: Final = "connections:"
"""set `connections:{gatewayId}`: `<user id> <connection id>` of every connection that the gateway holds."""
GATEWAY_DEAD_MS: Final = 15_000
"""A gateway that says nothing for so long is dead: three signs of life didn't come."""
GATEWAYS_HEARD: Final = "gateways:heard"
"""sorted set: gateway id → when it last said that it lives, Unix ms; without those whose connections were taken over."""
BLOCKED: Final = "blocked:"
"""set `blocked:{userId}`: users on the other side of a block, in either direction."""
PROGRESS: Final = "progress:"
"""hash `progress:{userId}`: conversation → seq up to which nothing needs a push: the user has read it, or an active client of
the user has it."""
PROGRESS_SECONDS: Final = 14 * 86_400
"""How long `progress:…` lives after a change, and at least half of it: longer than a push may wait."""
RATE: Final = "rate:"
"""string `rate:{userId}` for messages, `rate:{budget}:{userId}` for each other budget: when it is full again, Unix ms (GCRA)."""
REST_RATE: Final = "rate:rest:"
"""string `rate:rest:{name}:{userId}`: when the user's budget of REST requests of this name is full again, Unix ms (GCRA)."""
REVOKED: Final = "revoked:"
"""string `revoked:{userId}`: Unix seconds; the user's tokens issued before are refused. Expires when all of them have."""
GATEWAYS: Final = "gateways"
"""pub/sub topic that every gateway listens to: `relay.CloseOrder` of revoked tokens."""

LEASES: Final = "leases:"
"""sorted set `leases:{userId}`: connection id → when its lease ends, Unix ms."""
STATUSES: Final = "statuses:"
"""hash `statuses:{userId}`: connection id → `<Unix ms when it was set>:<availability>`, of leased connections that set one."""
FRIENDS: Final = "friends:"
"""set `friends:{userId}`: user ids of mutual follows, with a `-` before those behind a block, and an empty text; a cache."""
FRIENDS_VERSION: Final = "friends:version:"
"""string `friends:version:{userId}`: counts changes of the user's friends; what was read before one is not used after it."""
ABSENCES: Final = "absences:"
"""hash `absences:{userId}`: viewer → when the user was last seen as the block between the two began, Unix seconds or empty."""
LEASES_DUE: Final = "presence:due"
"""sorted set: user id → when the next of its leases ends, Unix ms."""
RENEWAL_FEED: Final = "presence:hearing"
"""hash, Unix ms: `heard`, when a replica last consumed renewals; `trusted`, from when an expired lease can be trusted."""
LEASES_KNOWN: Final = "presence:known"
"""string: the leases are all there. Missing: the server has lost its data, and whoever has no lease may be online."""
LEASES_RESTORING: Final = "presence:restoring"
"""string, for `LEASES_RESTORING_MS` after that was noticed: gateways find it out within 5 s, and renew within one more."""
LEASES_RESTORING_MS: Final = 8_000
ANNOUNCEMENTS: Final = "presence:announcements"
"""sorted set: user id → when its transition is announced again unless somebody did, Unix ms."""
DIRECT_PRESENCE: Final = "presence:direct"
"""string: `relay.DirectPresence`, the script with which gateways may carry out presence commands themselves; expires soon."""
CLOSED_CONNECTIONS: Final = "closed:"
"""string `closed:{connectionId}`: tombstone on the user's server, so that a late connect or renewal raises no ghost;
the value says until when, Unix ms."""
TYPING: Final = "typing:"
"""string `typing:{conversationId}:{userId}`: a typing indicator is shown to the other participant; `relay.Typing.at_ms` of its
last beginning."""
TYPING_ENDED: Final = "typing:ended:"
"""string `typing:ended:{conversationId}:{userId}`: `relay.Typing.at_ms` of the last end; beginnings up to then come too late."""

INACTIVE: Final = "inactive:"
"""set `inactive:{userId}`: the user's connections whose client last said `client.state` with `active: false`."""
CHANGED: Final = "changed:"
"""string `changed:{messageId}`, on the server of the receiver: what happened to a message whose push may still wait:
`CHANGED_TEXT` and the new text, at most `relay.MAX_PREVIEW_CHARACTERS` of it, or `CHANGED_DELETED`."""
CHANGED_TEXT: Final = "+"
CHANGED_DELETED: Final = "-"
CHANGED_SECONDS: Final = 2 * 86_400
"""How long `changed:…` is kept: longer than a push may wait."""
PREVIEW: Final = "preview:"
"""string `preview:{messageId}`, on the server of the receiver: the beginning of a text whose push waits. Gone when the message is
changed: then `changed:{messageId}` says all."""
PREVIEW_SECONDS: Final = 2 * 3600
"""How long `preview:…` lives after the push was put off, or looked at: longer than any pause between two attempts. Beyond that
the push says «New message»."""
SERVED: Final = "served:"
"""sorted set `served:{service}`: `<instance> <features, with commas>` → when that replica last said so, Unix ms."""
SILENT: Final = "silent:"
"""set `silent:{messageId}`: connections that showed no sign of life after the message was written to them."""
PUSHED: Final = "pushed:"
"""string `pushed:{messageId}:{subscriptionId}`: `sending` while a replica sends this notification, `accepted` once its push
service has taken it."""

UNREACHED: Final = "unreached:"
"""set `unreached:{messageId}`: push subscriptions of its receiver that were given up, while webhooks want to know."""

VERDICT: Final = "verdict:sealed:"
"""string `verdict:sealed:{conversationId}:{userId}:{key}`: what the moderation hook said of the message or edit with this key;
only who has the message can read it."""

REPLY: Final = "reply:"
"""list `reply:{requestId}`: the answer to a request among services (`requests.Reply`); expires."""


def key(prefix: str, *parts: str) -> str:
    """A whole key: `key(UNREAD_CONVERSATION, user_id, conversation_id)`."""
    return prefix + ":".join(parts)
