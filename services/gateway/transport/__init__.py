"""One socket: HTTP until the upgrade, then WebSocket frames in and a bounded send buffer out.

`websocket_protocol` takes bytes and reports whole messages to a `Listener`; `frames` cuts bytes into frames and frames what is
sent; `send_buffer` writes them. `http_protocol` and `upgrade` come before: the listening socket and the opening handshake.
"""
