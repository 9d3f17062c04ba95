"""Changes of messages: edits and their previous texts, deletions, reactions, replies, metadata."""

from alembic import op

revision = "0009"
down_revision = "0008"

COLUMNS = """
    ALTER TABLE messaging.messages
        ADD COLUMN reply_to bigint,
        ADD COLUMN metadata jsonb,
        ADD COLUMN edited_at timestamptz(3),
        ADD COLUMN deleted_at timestamptz(3),
        ADD COLUMN reacted boolean,
        ADD COLUMN sent_hash bytea
"""
"""All NULL for a plain message, which takes no byte: the null bitmap of a row has room for 16 columns (PostgreSQL manual,
«Table Row Layout»). `reacted` saves the look-up of reactions for messages that never had one. `sent_hash` is set when a
message no longer is what its sender sent first: a repeated send is compared with it."""

BODY_HASH = """
    CREATE FUNCTION messaging.body_hash(
        id uuid, type text, content text, media jsonb, reply_to bigint, metadata jsonb
    ) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
    RETURN sha256(convert_to(jsonb_build_array(id, type, content, media, reply_to, metadata)::text, 'UTF8'))
"""

REVISIONS = """
    CREATE TABLE messaging.revisions (
        conversation_id uuid NOT NULL,
        seq bigint NOT NULL,
        key text NOT NULL,
        changed boolean NOT NULL,
        content text,
        last_seq bigint NOT NULL,
        replaced_at timestamptz(3) NOT NULL,
        PRIMARY KEY (conversation_id, seq, key)
    )
"""
"""A row for each edit: its idempotency key, the text that it replaced (if it changed anything), and the conversation's last seq
at that time, by which a later reply knows which text it quotes. All rows go when the message is deleted."""

REACTIONS = """
    CREATE TABLE messaging.reactions (
        conversation_id uuid NOT NULL,
        seq bigint NOT NULL,
        user_id uuid NOT NULL,
        emoji text COLLATE "C" NOT NULL,
        active boolean NOT NULL,
        version bigint NOT NULL,
        issued_ms bigint NOT NULL,
        at timestamptz(3) NOT NULL,
        PRIMARY KEY (conversation_id, seq, user_id, emoji)
    )
"""
"""A row stays when the reaction is taken back: `issued_ms` says which of two commands is the later one. `version` is the
conversation's after the change; it gives the order."""


def upgrade() -> None:
    """Apply."""
    op.execute(COLUMNS)
    op.execute(BODY_HASH)
    op.execute(REVISIONS)
    op.execute(REACTIONS)
    op.execute("ALTER TABLE messaging.blocks ADD COLUMN issued_ms bigint NOT NULL DEFAULT 0")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE messaging.blocks DROP COLUMN issued_ms")
    op.execute("DROP TABLE messaging.reactions")
    op.execute("DROP TABLE messaging.revisions")
    op.execute("DROP FUNCTION messaging.body_hash")
    op.execute("""
        ALTER TABLE messaging.messages
            DROP COLUMN reply_to, DROP COLUMN metadata, DROP COLUMN edited_at,
            DROP COLUMN deleted_at, DROP COLUMN reacted, DROP COLUMN sent_hash
    """)
