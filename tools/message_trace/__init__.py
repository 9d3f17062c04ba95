"""Where one message has been: what `chatctl trace` tells. Nothing here reads its text.

row      PostgreSQL: the message, its receipts, webhooks that wait, devices of the receiver
copies   Redis: inboxes, connections, pushes
letters  RabbitMQ: dead letters that hold it
story    all of it, in the order in which a message goes
"""
