"""Webhooks: posts events of the chat to the platform's own back end (Standard Webhooks).

The path of an event: a service writes it to the outbox in the transaction of the change (`shared.webhooks`). Events without a
transaction come through RabbitMQ, and `intake` writes them to the outbox. For each endpoint one replica holds the `lease`. Its
`event_scheduler` reads the rows (`event_store`); `chain_poster` posts the events of a conversation one after another (`sender`),
and deletes accepted ones. `backoff` says when a refused event is retried; later events of its conversation are delayed until
then. An event that is refused for too long becomes a dead letter. While an endpoint's circuit is open, it gets only probes.
"""
