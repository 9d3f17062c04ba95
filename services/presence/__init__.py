"""Presence: who is online, with which status, and which friends may see it.

With one Redis partition and without webhooks, gateways apply their connections' beginnings, ends and statuses themselves, and
tell friends: they run in Redis a script that `direct_script` provides (`lua/direct.lua`). All other reports, and all renewals of
leases, come over RabbitMQ (`consumer`). `handlers` turns these reports into changes of leases (`leases`). Both ways apply the
same rules, in Redis (`lua/lease_rules.lua`, where leases also end), so that replicas share all state and hold none. `announcer`
sends changes to friends, once and in order (`lua/publish.lua`). `sweep` finds leases that expired. A new connection gets the
statuses of all friends (`friend_snapshot`). Follows and blocks are in PostgreSQL (`follow_store`), cached in Redis
(`friend_cache`), and changed by `friendship_service`. `rest` holds the HTTP calls.
"""
