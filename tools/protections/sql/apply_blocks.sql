-- Let every conversation know whether a block stands between its two.
UPDATE messaging.conversations AS c SET blocked = pair.stands
FROM (
    SELECT least(blocker, blocked) AS low, greatest(blocker, blocked) AS high, bool_or(active) AS stands
    FROM messaging.blocks GROUP BY 1, 2
) AS pair
WHERE c.user_low = pair.low AND c.user_high = pair.high AND c.blocked <> pair.stands
