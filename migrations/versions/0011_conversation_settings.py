"""Each side's settings of a conversation, and an index that lists conversations in order."""

from alembic import op

revision = "0011"
down_revision = "0010"

SETTINGS = """
    ALTER TABLE messaging.conversations
        ADD COLUMN muted_low_until timestamptz(3),
        ADD COLUMN muted_high_until timestamptz(3),
        ADD COLUMN archived_low boolean NOT NULL DEFAULT false,
        ADD COLUMN archived_high boolean NOT NULL DEFAULT false,
        ADD COLUMN pinned_low boolean NOT NULL DEFAULT false,
        ADD COLUMN pinned_high boolean NOT NULL DEFAULT false,
        ADD COLUMN marked_low boolean NOT NULL DEFAULT false,
        ADD COLUMN marked_high boolean NOT NULL DEFAULT false,
        ADD COLUMN hidden_low boolean NOT NULL DEFAULT false,
        ADD COLUMN hidden_high boolean NOT NULL DEFAULT false,
        ADD COLUMN cleared_low bigint NOT NULL DEFAULT 0,
        ADD COLUMN cleared_high bigint NOT NULL DEFAULT 0
"""
"""`hidden`: in no list until the next message. `cleared`: messages up to this seq are hidden for good."""

PLACE = """
    ADD COLUMN place_{side} smallint NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN hidden_{side} THEN CASE WHEN pinned_{side} THEN 1 ELSE 0 END
            ELSE CASE WHEN archived_{side} THEN 2 ELSE 4 END + CASE WHEN pinned_{side} THEN 1 ELSE 0 END
        END
    ) STORED
"""
"""Which list a conversation is in: 0 and 1 none, 2 and 3 the archive, 4 and 5 the main one; odd ones are pinned."""

SLOT = """
    ADD COLUMN active_slot timestamp NOT NULL GENERATED ALWAYS AS (
        date_bin('10 minutes', updated_at AT TIME ZONE 'UTC', TIMESTAMP '2000-01-01')
    ) STORED
"""
"""`updated_at` in steps: it changes with the first message of ten minutes, so that almost every append stays heap-only although
conversations are listed by an index. Both columns are generated: no replica can leave them behind."""


def upgrade() -> None:
    """Apply. Rewrites the table of conversations."""
    op.execute(SETTINGS)
    places = ", ".join(PLACE.format(side=side) for side in ("low", "high"))
    op.execute(f"ALTER TABLE messaging.conversations {places}, {SLOT}")
    for side in ("low", "high"):
        op.execute(
            f"CREATE INDEX conversations_of_{side} ON messaging.conversations (user_{side}, place_{side}, active_slot)"
        )
        op.execute(f"DROP INDEX messaging.conversations_{side}")


def downgrade() -> None:
    """Take back."""
    for side in ("low", "high"):
        op.execute(f"CREATE INDEX conversations_{side} ON messaging.conversations (user_{side})")
        op.execute(f"DROP INDEX messaging.conversations_of_{side}")
    op.execute(
        "ALTER TABLE messaging.conversations DROP COLUMN active_slot, DROP COLUMN place_low, DROP COLUMN place_high"
    )
    columns = [
        f"{name}_{side}" for name in ("archived", "pinned", "marked", "hidden", "cleared") for side in ("low", "high")
    ]
    dropped = ", ".join(f"DROP COLUMN {column}" for column in [*columns, "muted_low_until", "muted_high_until"])
    op.execute(f"ALTER TABLE messaging.conversations {dropped}")
