-- How many uploads there are in each state, and their bytes as reserved.
SELECT state, count(*) AS uploads, COALESCE(sum(size), 0)::bigint AS bytes
FROM media.uploads
GROUP BY state
ORDER BY state
