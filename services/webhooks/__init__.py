"""Webhooks: what happens in the chat, told to the platform's own back end (Standard Webhooks).

An event's way: whoever commits a fact writes it into the outbox in the same transaction (`shared.webhooks`); what no
transaction stands behind comes by RabbitMQ, and `intake` writes it there. For each endpoint one replica holds the `lease`;
its `event_scheduler` reads the rows (`event_store`), and `chain_poster` posts one event of a conversation after the other
(`sender`) and deletes what was taken. A refused event is retried at the time that `backoff` says, those behind it are delayed
until then, and one that is refused for too long becomes a dead letter. While an endpoint's circuit is open, it gets probes only.
"""
