"""The schema of messaging."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA messaging")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP SCHEMA messaging CASCADE")
