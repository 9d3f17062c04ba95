"""The schema of presence: who follows whom, and a copy of messaging's blocks."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA presence")
    op.execute("""
        CREATE TABLE presence.follows (
            follower uuid NOT NULL,
            followee uuid NOT NULL CHECK (followee <> follower),
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (follower, followee)
        )
    """)
    op.execute("""
        CREATE TABLE presence.blocks (
            blocker uuid NOT NULL,
            blocked uuid NOT NULL,
            active boolean NOT NULL,
            version bigint NOT NULL,
            PRIMARY KEY (blocker, blocked)
        )
    """)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP SCHEMA presence CASCADE")
