-- Forget every message and conversation, of a database that belongs to the benchmark.
TRUNCATE messaging.messages, messaging.receipts, messaging.conversations
