"""One socket: HTTP until the upgrade, then WebSocket frames in and a bounded send buffer out."""
