"""Revoked users. Until now only Redis had them, and lost them in a flush or a failover."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SEQUENCE directory.revocation_versions")
    op.execute("""
        CREATE TABLE directory.revocations (
            user_id uuid PRIMARY KEY,
            revoked_ms bigint NOT NULL,
            expires_at timestamptz,
            version bigint NOT NULL
        )
    """)
    op.execute("CREATE UNIQUE INDEX revocations_version ON directory.revocations (version)")
    op.execute("CREATE INDEX revocations_end ON directory.revocations (expires_at) WHERE expires_at IS NOT NULL")
