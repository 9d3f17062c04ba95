"""When a user last moved a conversation from list to list by hand, and an index of those moves."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Apply. Adds columns without a value, which rewrites no row; each index reads the table once and is empty."""
    for side in ("low", "high"):
        op.execute(f"ALTER TABLE messaging.conversations ADD COLUMN placed_{side}_at timestamptz(3)")
        op.execute(
            f"CREATE INDEX conversations_placed_{side} ON messaging.conversations (user_{side}, placed_{side}_at)"
            f" WHERE placed_{side}_at IS NOT NULL"
        )


def downgrade() -> None:
    """Take back."""
    for side in ("low", "high"):
        op.execute(f"ALTER TABLE messaging.conversations DROP COLUMN placed_{side}_at")
