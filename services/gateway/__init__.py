"""The gateway: holds the clients' sockets, turns frames into commands, and hands on what comes down as the bytes it got."""
