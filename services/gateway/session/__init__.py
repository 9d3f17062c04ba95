"""One connection between its handshake and its end.

`rules` parses a text frame and decides what follows (`Session.on_frame`, without I/O); `actions` are its decisions, and
`connection` carries them out. `inbox_follower` writes events in order and without repeats. `heartbeat` keeps deadlines,
`hub` finds the connections of a user, and `gateway` declares what connections need of the gateway.
"""
