"""The checks of `chatctl doctor`, one module for each part of the system.

findings   results: fine, worth knowing, or wrong with advice
situation  the checked system and its settings
settings   the services' own settings, as they would check them at start
database   PostgreSQL: schema, durability, connections, standbys, archive
cache      Redis: version, eviction, memory, persistence, replicas
broker     RabbitMQ: version, alarms, queues, their consumers, dead letters
clocks     this machine's clock against those of Redis and PostgreSQL
push       VAPID keys against the subscriptions that were made with them
store      the store of uploads
services   whether each service answers, and which version
examine    all checks, in parallel
"""
