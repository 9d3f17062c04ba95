"""Indexes for look-ups whose cost users could raise: texts that replies quote, and users who are found by name."""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Apply. Each index reads its table once.

    The first finds the text that a message had at a reply's time among any number of edits. The second leaves out users
    without a username, whose ids stand for one: all that were made in the same days begin with the same characters.
    """
    op.execute(
        "CREATE INDEX revisions_by_reply ON messaging.revisions (conversation_id, seq, last_seq, replaced_at) WHERE changed"
    )
    op.execute("CREATE INDEX users_named ON directory.users (username_key) WHERE username <> id::text")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP INDEX directory.users_named")
    op.execute("DROP INDEX messaging.revisions_by_reply")
