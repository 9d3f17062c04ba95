"""The gateway: holds the clients' sockets, turns frames into commands, and writes events to the sockets they are for.

A socket begins with a handshake (`handshake`: token, origin, admission), and becomes a `Connection` (`session`), which carries
out what its `Session` decides of each frame. Commands go up to the other services by RabbitMQ in batches (`uplink`). Events
come down by Redis, one subscription for each partition (`downlink`), and find their connections in the `Hub`. `registry` keeps
in Redis which connections this gateway holds; `transport` is the way between sockets and frames. A gateway leaves by `drain`.
"""
