"""The load benchmark: what one message costs, how long it takes, and that none is lost."""
