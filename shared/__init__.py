"""What the services have in common: the protocol, and thin, typed access to the servers they stand on."""
