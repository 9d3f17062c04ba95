"""Push settings, muted conversations, native devices, and the token that registered a device."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
    # NULL: registered by a replica that didn't store it; `updated_at` counts then.
    op.execute("ALTER TABLE notifier.subscriptions ADD COLUMN token_issued_at timestamptz")
    op.execute("""
        CREATE TABLE notifier.devices (
            id uuid PRIMARY KEY,
            user_id uuid NOT NULL,
            platform text NOT NULL CHECK (platform IN ('fcm', 'apns')),
            token text NOT NULL CHECK (length(token) <= 1024),
            app text CHECK (length(app) <= 255),
            token_issued_at timestamptz NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now(),
            UNIQUE (platform, token)
        )
    """)
    op.execute("CREATE INDEX devices_of_user ON notifier.devices (user_id, updated_at)")
    # Quiet hours: minutes after local midnight.
    op.execute("""
        CREATE TABLE notifier.push_settings (
            user_id uuid PRIMARY KEY,
            preview boolean NOT NULL DEFAULT true,
            time_zone text,
            quiet_from smallint CHECK (quiet_from BETWEEN 0 AND 1439),
            quiet_to smallint CHECK (quiet_to BETWEEN 0 AND 1439),
            muted_until timestamptz,
            updated_at timestamptz NOT NULL DEFAULT now(),
            CHECK (num_nulls(time_zone, quiet_from, quiet_to) IN (0, 3))
        )
    """)
    op.execute("""
        CREATE TABLE notifier.muted_conversations (
            user_id uuid NOT NULL,
            conversation_id uuid NOT NULL,
            muted_until timestamptz,
            version bigint NOT NULL,
            PRIMARY KEY (user_id, conversation_id)
        )
    """)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE notifier.muted_conversations")
    op.execute("DROP TABLE notifier.push_settings")
    op.execute("DROP TABLE notifier.devices")
    op.execute("ALTER TABLE notifier.subscriptions DROP COLUMN token_issued_at")
