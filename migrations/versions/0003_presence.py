"""The schema of presence."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA presence")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP SCHEMA presence CASCADE")
