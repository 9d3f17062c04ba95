"""From a message in Redis pub/sub to the frames of a connection: the link, delivery, recovery, and what was not delivered."""
