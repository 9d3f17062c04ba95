-- Pairs between whom a block stands.
SELECT blocker::text, blocked::text FROM messaging.blocks WHERE active
