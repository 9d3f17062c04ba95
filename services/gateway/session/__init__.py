"""One connection between its handshake and its end: its state, its rules, its deadlines."""
