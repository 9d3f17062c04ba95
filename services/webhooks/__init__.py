"""Webhooks: what happens in the chat, told to the platform's own back end (Standard Webhooks).

An event's way: whoever commits a fact writes it into the outbox in the same transaction (`shared.webhooks`); what no
transaction stands behind comes by RabbitMQ, and `intake` writes it there. For each endpoint one replica holds the `lease`;
its `dispatcher` reads the `outbox`, posts one event of a conversation after the other (`sender`, with `signatures`), and
deletes what was taken. `backoff` says when a refused one is posted again, `circuit` when an endpoint isn't asked at all.
"""
