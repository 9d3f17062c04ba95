"""Presence: who is online, with which status, and which friends may see it.

Gateways report connections and renew their leases over RabbitMQ (`consumer`). `handlers` turns reports into changes of leases
(`leases`). A Redis script applies them (`lua/lease_rules.lua`, where leases also end), so that replicas share all state and hold
none. `announcer` sends changes to friends, once and in order (`lua/publish.lua`). Most reports never reach this process: gateways
apply them and tell friends themselves, with a script that `direct_script` provides (`lua/direct.lua`). `sweep` finds leases that
expired. A new connection gets the statuses of all friends (`friend_snapshot`). Follows and blocks are in PostgreSQL
(`follow_store`), cached in Redis (`friend_cache`), and changed by `friendship_service`. `rest` holds the HTTP calls.
"""
