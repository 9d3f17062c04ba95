"""The schema of notifier: push subscriptions."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA notifier")
    # Only the endpoint identifies a browser, so a device belongs to the user who posted its endpoint last.
    op.execute("""
        CREATE TABLE notifier.subscriptions (
            id uuid PRIMARY KEY,
            user_id uuid NOT NULL,
            endpoint text NOT NULL UNIQUE CHECK (length(endpoint) <= 2048),
            p256dh bytea NOT NULL CHECK (octet_length(p256dh) = 65),
            auth bytea NOT NULL CHECK (octet_length(auth) = 16),
            key_id text NOT NULL,
            expires_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("CREATE INDEX subscriptions_of_user ON notifier.subscriptions (user_id, updated_at)")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP SCHEMA notifier CASCADE")
