"""The gateway: holds the clients' sockets, turns frames into commands, and writes each event to the sockets of its user.

A socket begins with a handshake (`handshake`: token, origin, admission) and becomes a `Connection` (`session/connection.py`). Its
`Session` (`session/rules.py`) parses each text frame and decides what to do; the connection does it. The `Dispatcher`
(`dispatcher.py`) hands each command to its owner. Commands go up to the other services through RabbitMQ, in batches (`uplink`).
Events come down through Redis, with one subscription for each partition (`downlink`), and find their connections in the `Hub`.
`registry` records in Redis which connections this gateway holds. `transport` turns bytes of a socket into frames, and frames into
bytes. `drain` closes all connections in order before the process ends.
"""
