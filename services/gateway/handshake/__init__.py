"""The opening handshake. `request` reads and checks token and origin, `admission` keeps the limits, `endpoint` answers."""
