-- The number of uploads in each state, and their reserved bytes.
SELECT state, count(*) AS uploads, COALESCE(sum(size), 0)::bigint AS bytes
FROM media.uploads
GROUP BY state
ORDER BY state
