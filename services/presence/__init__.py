"""Presence: who is online, with what status, and which friends may know.

Gateways announce connections and renew their leases; every change that friends can see goes out once, in order. The
rules stand in `rules`, and run inside Redis (`lua/leases.lua`), so that replicas share all state and hold none.
"""
