"""Whether a follow is mutual is looked up by both ends, whichever index PostgreSQL takes."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Apply. The new index does what the old one did, too."""
    op.execute("CREATE INDEX follows_by_followee ON presence.follows (followee, follower)")
    op.execute("DROP INDEX presence.follows_of_followee")


def downgrade() -> None:
    """Take back."""
    op.execute("CREATE INDEX follows_of_followee ON presence.follows (followee)")
    op.execute("DROP INDEX presence.follows_by_followee")
