"""Messaging owns conversations, messages, receipts, unread counts and blocks. PostgreSQL is the truth of all of them.

Commands arrive from gateways in batches on an AMQP queue (`consumer`). A cycle (`cycle`) takes some hundreds of commands,
hands each kind to its store in one SQL statement (`handlers`, `stores`), and collects what came of them: events for users,
answers for connections, completions for gateways (`fanout`). One Redis script per cycle delivers all of that. The AMQP messages
are acknowledged only afterwards, so a batch that was lost on the way is delivered to another replica.

Typing signals have a queue of their own and are never stored (`typing_indicators`). REST reads the stores
(`rest`), and so do requests of the server API (`server_api`).
"""
