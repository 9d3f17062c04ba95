-- The version of all revocations: a later one has a higher version.
SELECT coalesce(max(version), 0) FROM directory.revocations
