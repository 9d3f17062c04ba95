"""Retention: the first kept message of each conversation, and the progress of the search for expired messages."""

from alembic import op

revision = "0013"
down_revision = "0012"

FIRST_SEQ = "ALTER TABLE messaging.conversations ADD COLUMN first_seq bigint NOT NULL DEFAULT 1"
"""The first message that is kept, or the next one's seq when none is. A constant default rewrites no row."""

RETENTION = """
    CREATE TABLE messaging.retention (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        after uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
        due_at timestamptz NOT NULL DEFAULT '-infinity',
        pending jsonb
    )
"""
"""One row, which a replica locks for one batch. Conversations up to `after` are done in this round; `pending` is what Redis must
still be told of the last batch."""


def upgrade() -> None:
    """Apply."""
    op.execute(FIRST_SEQ)
    op.execute(RETENTION)
    op.execute("INSERT INTO messaging.retention DEFAULT VALUES")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE messaging.retention")
    op.execute("ALTER TABLE messaging.conversations DROP COLUMN first_seq")
