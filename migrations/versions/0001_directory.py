"""The directory of users."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA directory")
    op.execute("""
        CREATE TABLE directory.users (
            id uuid PRIMARY KEY,
            username text NOT NULL UNIQUE,
            display_name text NOT NULL,
            avatar text,
            claim_name text,
            claim_picture text,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP SCHEMA directory CASCADE")
