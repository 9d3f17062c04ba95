"""The opening handshake: who asks, whether they may connect, and the endpoint that answers."""
