-- The state of the server, in one row. What a role may not see is NULL or 0.
SELECT
    current_setting('server_version_num')::int AS version,
    current_setting('server_version') AS version_text,
    pg_size_pretty(pg_database_size(current_database())) AS size,
    current_setting('max_connections')::int AS most_connections,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('synchronous_standby_names') AS synchronous_names,
    (SELECT count(*) FROM pg_stat_replication) AS standbys,
    (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS synchronous_standbys,
    (
        SELECT COALESCE(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0)::bigint FROM pg_stat_replication
    ) AS lag_bytes,
    (SELECT count(*) FROM pg_replication_slots WHERE NOT active) AS dead_slots,
    current_setting('archive_mode') <> 'off' AS archives,
    (SELECT last_archived_time FROM pg_stat_archiver) AS archived_at,
    (SELECT last_failed_time FROM pg_stat_archiver) AS failed_at,
    (
        SELECT COALESCE(last_failed_time > COALESCE(last_archived_time, '-infinity'), false) FROM pg_stat_archiver
    ) AS archive_fails,
    (SELECT max(age(datfrozenxid)) FROM pg_database) AS age
