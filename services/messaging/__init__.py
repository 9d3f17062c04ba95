"""Messaging: conversations, messages, receipts, unread counts and blocks; PostgreSQL is the truth of all of them."""
