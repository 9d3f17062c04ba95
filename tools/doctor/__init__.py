"""What `chatctl doctor` looks at, one part of the system a module.

findings   what was found: well, worth knowing, or wrong and what to do
situation  which system is examined, and with which settings
settings   the services' own settings, as they would check them at start
database   PostgreSQL: schema, durability, connections, standbys, archive
cache      Redis: version, eviction, memory, persistence, replicas
broker     RabbitMQ: version, alarms, queues, their consumers, dead letters
clocks     this machine's clock against those of Redis and PostgreSQL
push       VAPID keys against the subscriptions that were made with them
store      where uploads lie
services   whether each service answers, and which version
examine    all of them, side by side
"""
