"""A message's whole way as two users see it, tried from outside: `chatctl probe`.

people    the two users, and where their tokens come from
steps     one step after the other, each with its time
browser   a browser that gets pushes, for the last step
journey   login, send, receive, read, push
certificate   when the certificate ends that clients are shown
metrics   what Prometheus is told
"""
