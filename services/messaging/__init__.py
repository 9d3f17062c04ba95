"""Messaging owns conversations, messages, receipts, unread counts and blocks. PostgreSQL is their source of truth.

Commands arrive from gateways in batches on an AMQP queue (`consumer`). A cycle (`cycle`) takes some hundreds of commands,
hands each kind to its store in one SQL statement (`handlers`, `stores`), and collects the effects: events for users, answers for
connections, completions for gateways (`fanout`). One Redis script per cycle delivers all of that. The AMQP messages are
acknowledged only afterwards, so when a replica dies, the broker redelivers its batches to another one.

Typing signals have a queue of their own and are never stored (`signal_consumer`, `typing_indicators`). REST (`rest`) and requests
of the server API (`server_api`) use the same stores. `stores/sql/append.sql` assigns `seq`.
"""
