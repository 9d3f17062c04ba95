"""Everything that crosses a wire, declared once.

client     frames that clients send (`message.send` …)
server     events that the server sends (`message.new` …), payloads their payloads
errors     error codes of the protocol, with retry advice and HTTP status
closing    WebSocket close codes, with what a client should do
limits     sizes and counts of the protocol
push       what a push service carries to a service worker
relay      commands and events between services (AMQP), and what goes down to a gateway (Redis pub/sub)
topology   AMQP queues
keys       Redis keys and pub/sub topics
emoji      checks that a text is one emoji
codec      timestamps, JSON and msgpack encoders
"""
