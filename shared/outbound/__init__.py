"""HTTP to URLs from outside.

`addresses` checks the address of a connection, `sessions` makes HTTP clients, and `circuit` stops requests to a server that
doesn't answer.
"""
