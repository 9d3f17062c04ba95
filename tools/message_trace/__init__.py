"""The path of one message, for `chatctl trace`. Nothing here reads its text.

row      PostgreSQL: the message, its receipts, webhooks that wait, devices of the receiver
copies   Redis: inboxes, connections, pushes
letters  RabbitMQ: dead letters that hold it
story    all of it, in the order of the message's path
"""
