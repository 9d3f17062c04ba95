"""From what a cycle did to what clients get: `event_builders` make events, `cycle_effects` collects them, `fanout` delivers
them through Redis, `outgoing_events` publishes what other services must know.
"""
