"""The schema of notifier."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA notifier")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP SCHEMA notifier CASCADE")
