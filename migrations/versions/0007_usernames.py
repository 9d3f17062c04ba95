"""Usernames are compared without regard to case and compatible characters; profile changes wait to be published."""

import uuid
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from shared.protocol.text import username_key

revision = "0007"
down_revision = "0006"

BATCH = 5_000
REPORTED = 50

KEY_IS_VOID = """
    CREATE FUNCTION directory.void_username_key() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.username_key := NULL;
        RETURN NEW;
    END $$
"""
"""A replica of an older release changes usernames and doesn't know the key."""

NOTE_PROFILE_CHANGE = """
    CREATE FUNCTION directory.note_profile_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO directory.profile_changes (user_id) VALUES (NEW.id) ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    """Apply. Raises RuntimeError, and changes nothing, when usernames of different users would become one."""
    op.execute("""
        ALTER TABLE directory.users
            ADD COLUMN username_key text COLLATE "C",
            ADD COLUMN claimed_at double precision NOT NULL DEFAULT 0
    """)
    _fill_keys()
    op.execute("CREATE UNIQUE INDEX users_folded_username ON directory.users (username_key)")
    op.execute(KEY_IS_VOID)
    op.execute("""
        CREATE TRIGGER void_username_key BEFORE UPDATE OF username ON directory.users FOR EACH ROW
        WHEN (
            OLD.username_key IS NOT DISTINCT FROM NEW.username_key
            AND lower(normalize(OLD.username, NFKC)) <> lower(normalize(NEW.username, NFKC))
        )
        EXECUTE FUNCTION directory.void_username_key()
    """)
    op.execute("""
        CREATE TABLE directory.profile_changes (
            user_id uuid PRIMARY KEY,
            changed_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute(NOTE_PROFILE_CHANGE)
    op.execute("""
        CREATE TRIGGER note_profile_change AFTER UPDATE ON directory.users FOR EACH ROW
        WHEN ((OLD.username, OLD.display_name, OLD.avatar) IS DISTINCT FROM (NEW.username, NEW.display_name, NEW.avatar))
        EXECUTE FUNCTION directory.note_profile_change()
    """)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TRIGGER note_profile_change ON directory.users")
    op.execute("DROP TRIGGER void_username_key ON directory.users")
    op.execute("DROP FUNCTION directory.note_profile_change, directory.void_username_key")
    op.execute("DROP TABLE directory.profile_changes")
    op.execute("ALTER TABLE directory.users DROP COLUMN username_key, DROP COLUMN claimed_at")


def collisions(users: list[tuple[uuid.UUID, str]]) -> list[list[tuple[uuid.UUID, str]]]:
    """Groups of users whose usernames have the same key."""
    groups: dict[str, list[tuple[uuid.UUID, str]]] = defaultdict(list)
    for user in users:
        groups[username_key(user[1])].append(user)
    return [group for group in groups.values() if len(group) > 1]


def report(groups: list[list[tuple[uuid.UUID, str]]]) -> str:
    """What an operator has to do about collisions."""
    lines = [
        f"{len(groups)} usernames differ only in case or in compatible characters. Nothing was changed.",
        "Give all users but one of each line another name, in your identity provider and with",
        "UPDATE directory.users SET username = '<new>' WHERE id = '<id>'; then run the migration again.",
    ]
    lines += [", ".join(f"{name!r} ({user})" for user, name in group) for group in groups[:REPORTED]]
    if len(groups) > REPORTED:
        lines.append(f"… and {len(groups) - REPORTED} more")
    return "\n".join(lines)


def _fill_keys() -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT id, username FROM directory.users")).all()
    users = [(row[0], row[1]) for row in rows]
    found = collisions(users)
    if found:
        raise RuntimeError(report(found))
    fill = sa.text("""
        UPDATE directory.users u SET username_key = k.key
        FROM unnest(CAST(:ids AS uuid[]), CAST(:keys AS text[])) AS k (id, key)
        WHERE u.id = k.id
    """)
    for first in range(0, len(users), BATCH):
        part = users[first : first + BATCH]
        ids, keys = [user for user, _ in part], [username_key(name) for _, name in part]
        connection.execute(fill, {"ids": ids, "keys": keys})
