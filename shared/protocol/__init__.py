"""Everything that crosses a wire, declared once.

client         frames that clients send (`message.send` …)
server         events that the server sends (`message.new` …), payloads their payloads
references     which request an error answers
errors         error codes of the protocol, with retry advice and HTTP status
closing        WebSocket close codes, with what a client should do
features       what a server offers, by the names in `connection.success`
limits         sizes and counts of the protocol
stored_event   how large an event is
inbox          the layout of an inbox entry
push           what a push service carries to a service worker
relay          commands and events between services (AMQP), and what goes down to a gateway (Redis pub/sub)
requests       requests of the server API to the service that owns the data, and their replies
webhooks       events for the platform's back end
topology       AMQP queues
keys           Redis keys and pub/sub topics
text, emoji    what a text, a name and an emoji may be
codec          timestamps, JSON and msgpack encoders
"""
