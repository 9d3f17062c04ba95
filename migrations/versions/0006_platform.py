"""The schemas of webhooks (the outbox) and admin (the audit log)."""

from alembic import op

revision = "0006"
down_revision = "0005"

EVENTS = """
    CREATE TABLE webhooks.events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id uuid NOT NULL DEFAULT gen_random_uuid(),
        endpoint text NOT NULL,
        order_key text NOT NULL,
        seq bigint,
        type text NOT NULL,
        at timestamptz(3) NOT NULL,
        data jsonb NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        next_at timestamptz,
        first_refused_at timestamptz,
        last_error text,
        dead_at timestamptz
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)
"""
"""A row for each event and endpoint, deleted when the endpoint took it. `next_at` of one that was refused, or waits behind it."""

INDEXES = (
    "CREATE INDEX events_waiting ON webhooks.events (endpoint, id) WHERE next_at IS NULL AND dead_at IS NULL",
    "CREATE INDEX events_held ON webhooks.events (endpoint, order_key, id) WHERE next_at IS NOT NULL AND dead_at IS NULL",
    "CREATE INDEX events_dead ON webhooks.events (endpoint, id) WHERE dead_at IS NOT NULL",
    "CREATE INDEX events_of_message ON webhooks.events (order_key, seq) WHERE seq IS NOT NULL",
)

LEASES = """
    CREATE TABLE webhooks.leases (
        endpoint text PRIMARY KEY,
        owner text NOT NULL,
        ends_at timestamptz NOT NULL
    )
"""

AUDIT = """
    CREATE TABLE admin.audit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        call_id uuid NOT NULL,
        at timestamptz(3) NOT NULL DEFAULT now(),
        subject text NOT NULL,
        action text NOT NULL,
        users text[] NOT NULL,
        user_count integer NOT NULL,
        status integer
    )
"""

APPEND_ONLY = (
    """
    CREATE FUNCTION admin.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is only ever added to';
    END
    $$
    """,
    """
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON admin.audit
    FOR EACH STATEMENT EXECUTE FUNCTION admin.refuse_change()
    """,
)


def upgrade() -> None:
    """Apply."""
    op.execute("CREATE SCHEMA webhooks")
    op.execute(EVENTS)
    for index in INDEXES:
        op.execute(index)
    op.execute(LEASES)
    op.execute("CREATE SCHEMA admin")
    op.execute(AUDIT)
    op.execute("CREATE INDEX audit_at ON admin.audit (at)")
    for statement in APPEND_ONLY:
        op.execute(statement)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP SCHEMA admin CASCADE")
    op.execute("DROP SCHEMA webhooks CASCADE")
