"""A function of presence that says who a user's friends are: presence and gateways call it."""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Apply. Being one plain query, the function is planned as a part of the statement that calls it.

    LIMIT 1 keeps each look-up one of a whole key: joined, a table with statistics of its small days is searched for all pairs.
    """
    op.execute("""
    CREATE FUNCTION presence.friends_of(users uuid[], most bigint)
    RETURNS TABLE (user_id text, friend_id text, absent boolean) LANGUAGE sql STABLE AS $$
        SELECT f.user_id, f.friend_id, f.absent
        FROM unnest(users) AS u (id)
        CROSS JOIN LATERAL (
            SELECT a.follower::text AS user_id, a.followee::text AS friend_id,
                   EXISTS (SELECT FROM presence.blocks k
                           WHERE k.active AND k.blocker = a.follower AND k.blocked = a.followee)
                   OR EXISTS (SELECT FROM presence.blocks k
                              WHERE k.active AND k.blocker = a.followee AND k.blocked = a.follower) AS absent
            FROM presence.follows a
            CROSS JOIN LATERAL (
                SELECT FROM presence.follows WHERE follower = a.followee AND followee = a.follower LIMIT 1
            ) b
            WHERE a.follower = u.id
            ORDER BY a.followee
            LIMIT most
        ) f
    $$
    """)
    op.execute(
        "COMMENT ON FUNCTION presence.friends_of IS"
        " 'Mutual follows of users, at most `most` of each, and whether there is a block in either direction'"
    )


def downgrade() -> None:
    """Take back."""
    op.execute("DROP FUNCTION presence.friends_of")
