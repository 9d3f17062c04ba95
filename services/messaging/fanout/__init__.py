"""From the results of a cycle to events for clients.

`event_builders` makes events, `cycle_effects` collects them, `fanout` delivers them through Redis, and `outgoing_events`
publishes events for other services.
"""
