"""Tables for the server API: reports, erasures that survive a crash, imports, and erased users."""

from alembic import op

revision = "0012"
down_revision = "0011"

REPORTS = """
    CREATE TABLE messaging.reports (
        id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL,
        reporter_id uuid NOT NULL,
        reason text NOT NULL,
        comment text,
        state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'reviewing', 'resolved', 'dismissed')),
        messages jsonb NOT NULL,
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        updated_at timestamptz(3) NOT NULL DEFAULT now()
    )
"""
"""`messages` are as they were when they were reported: later changes don't reach them, an erasure does."""

JOBS = """
    CREATE TABLE admin.jobs (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL,
        kind text NOT NULL,
        step integer NOT NULL DEFAULT 0,
        page text NOT NULL DEFAULT '',
        owner text,
        owned_until timestamptz NOT NULL DEFAULT '-infinity',
        created_at timestamptz(3) NOT NULL DEFAULT now(),
        finished_at timestamptz(3)
    )
"""
"""A job goes on at `step` and `page`, on whichever replica holds it until `owned_until`."""


def upgrade() -> None:
    """Apply."""
    op.execute(REPORTS)
    op.execute("CREATE INDEX reports_newest ON messaging.reports (created_at, id)")
    op.execute("CREATE INDEX reports_of_conversation ON messaging.reports (conversation_id)")
    op.execute("CREATE INDEX reports_of_reporter ON messaging.reports (reporter_id)")
    op.execute(JOBS)
    op.execute("CREATE INDEX jobs_open ON admin.jobs (created_at) WHERE finished_at IS NULL")
    op.execute("CREATE INDEX jobs_of_user ON admin.jobs (user_id, created_at)")
    op.execute("ALTER TABLE directory.users ADD COLUMN erased_at timestamptz")
    op.execute("ALTER TABLE messaging.conversations ADD COLUMN erased boolean NOT NULL DEFAULT false")
    op.execute("CREATE INDEX follows_of_followee ON presence.follows (followee)")
    op.execute("CREATE INDEX blocks_of_blocked ON presence.blocks (blocked)")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP INDEX presence.blocks_of_blocked")
    op.execute("DROP INDEX presence.follows_of_followee")
    op.execute("ALTER TABLE messaging.conversations DROP COLUMN erased")
    op.execute("ALTER TABLE directory.users DROP COLUMN erased_at")
    op.execute("DROP TABLE admin.jobs")
    op.execute("DROP TABLE messaging.reports")
