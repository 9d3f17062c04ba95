"""An index for erasures and exports, which look up everybody who ever blocked a user."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Apply. The new index does what the old one did, too."""
    op.execute("CREATE INDEX blocks_of_blocked ON messaging.blocks (blocked, blocker)")
    op.execute("DROP INDEX messaging.blocks_blocked")


def downgrade() -> None:
    """Take back."""
    op.execute("CREATE INDEX blocks_blocked ON messaging.blocks (blocked) WHERE active")
    op.execute("DROP INDEX messaging.blocks_of_blocked")
