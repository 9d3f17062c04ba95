"""The schema of media: uploads."""

from alembic import op

revision = "0008"
down_revision = "0007"

UPLOADS = """
    CREATE TABLE media.uploads (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL,
        conversation_id uuid NOT NULL,
        state text NOT NULL CHECK (
            state IN ('reserved', 'processing', 'ready', 'used', 'rejected', 'released', 'deleted')
        ),
        name text NOT NULL,
        mime_type text NOT NULL,
        size bigint NOT NULL CHECK (size > 0),
        reserved_at timestamptz(3) NOT NULL DEFAULT now(),
        expires_at timestamptz(3) NOT NULL,
        processing_until timestamptz(3),
        completed_at timestamptz(3),
        media jsonb,
        reason text,
        message_seq bigint,
        message_key text,
        tidied boolean NOT NULL DEFAULT false,
        CHECK ((state = 'used') <= (message_seq IS NOT NULL AND message_key IS NOT NULL AND media IS NOT NULL))
    )
"""
"""The one place of truth: an object in the store without a row, or whose row is not live, is nobody's. A row stays for a day
after its objects are gone, since quotas count it."""


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA media")
    op.execute(UPLOADS)
    op.execute("CREATE INDEX uploads_of_user ON media.uploads (user_id, reserved_at)")
    op.execute("CREATE INDEX uploads_of_message ON media.uploads (conversation_id, message_seq) WHERE state = 'used'")
    op.execute("CREATE INDEX uploads_to_sweep ON media.uploads (state, reserved_at) WHERE state <> 'used'")
    op.execute(
        "CREATE INDEX uploads_to_tidy ON media.uploads (expires_at) WHERE state IN ('ready', 'used') AND NOT tidied"
    )


def downgrade() -> None:
    """Take back."""
    op.execute("DROP SCHEMA media CASCADE")
