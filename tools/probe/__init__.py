"""Tries the whole path of a message from outside, as two users: `chatctl probe`.

people    the two users, and where their tokens come from
steps     one step after another, each with its time limit
browser   a browser that gets pushes, for the last step
journey   login, send, receive, read, push
certificate   when the certificate that clients see expires
metrics   metrics for Prometheus
"""
