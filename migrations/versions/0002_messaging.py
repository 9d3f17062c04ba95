"""The schema of messaging."""

from alembic import op

revision = "0002"
down_revision = "0001"

CONVERSATIONS = """
    CREATE TABLE messaging.conversations (
        id uuid PRIMARY KEY,
        user_low uuid NOT NULL,
        user_high uuid NOT NULL CHECK (user_low < user_high),
        last_seq bigint NOT NULL DEFAULT 0,
        version bigint NOT NULL DEFAULT 0,
        unread_low bigint NOT NULL DEFAULT 0,
        unread_high bigint NOT NULL DEFAULT 0,
        read_low bigint NOT NULL DEFAULT 0,
        read_high bigint NOT NULL DEFAULT 0,
        read_low_at timestamptz(3),
        read_high_at timestamptz(3),
        delivered_low bigint NOT NULL DEFAULT 0,
        delivered_high bigint NOT NULL DEFAULT 0,
        blocked boolean NOT NULL DEFAULT false,
        created_at timestamptz(3) NOT NULL,
        updated_at timestamptz(3) NOT NULL
    ) WITH (fillfactor = 60)
"""
"""One row holds both sides' state, so that an append locks and changes one row. Nothing that changes is indexed and pages
have room, so that each change is a heap-only one (PostgreSQL manual, «Heap-Only Tuples»)."""

MESSAGES = """
    CREATE TABLE messaging.messages (
        conversation_id uuid NOT NULL,
        seq bigint NOT NULL,
        id uuid NOT NULL,
        sender_id uuid NOT NULL,
        created_at timestamptz(3) NOT NULL,
        type text NOT NULL,
        key text NOT NULL,
        content text,
        media jsonb,
        PRIMARY KEY (conversation_id, seq)
    )
"""

KEYS = """
    CREATE UNIQUE INDEX messages_key ON messaging.messages (conversation_id, sender_id, key)
"""
"""The key is the sender's `tempId`, or made from the batch that the message came in."""

RECEIPTS = """
    CREATE TABLE messaging.receipts (
        conversation_id uuid NOT NULL,
        user_id uuid NOT NULL,
        seq bigint NOT NULL,
        read boolean NOT NULL,
        silent boolean NOT NULL,
        at timestamptz(3) NOT NULL,
        PRIMARY KEY (conversation_id, user_id, read, seq)
    )
"""
"""A row for each time that a user's mark moved forward: when a message was read is the first mark at or beyond its seq.
Silent marks were made while a block stood: the other side never sees them."""

BLOCKS = """
    CREATE TABLE messaging.blocks (
        blocker uuid NOT NULL,
        blocked uuid NOT NULL CHECK (blocker <> blocked),
        active boolean NOT NULL,
        version bigint NOT NULL DEFAULT nextval('messaging.block_versions'),
        changed_at timestamptz(3) NOT NULL,
        PRIMARY KEY (blocker, blocked)
    )
"""
"""A row stays when the block is taken back: its version says which of two announcements is the later one."""


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA messaging")
    op.execute(CONVERSATIONS)
    op.execute("CREATE INDEX conversations_low ON messaging.conversations (user_low)")
    op.execute("CREATE INDEX conversations_high ON messaging.conversations (user_high)")
    op.execute(MESSAGES)
    op.execute(KEYS)
    op.execute(RECEIPTS)
    op.execute("CREATE SEQUENCE messaging.block_versions")
    op.execute(BLOCKS)
    op.execute("CREATE INDEX blocks_blocked ON messaging.blocks (blocked) WHERE active")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP SCHEMA messaging CASCADE")
