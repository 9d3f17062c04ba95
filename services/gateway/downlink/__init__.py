"""From a message in Redis pub/sub to the frames of a connection.

`link` holds the subscription and notices when it is lost; `delivery` hands events to connections; `recovery` reads missed events
from inboxes; `undelivered` reports messages that no client confirmed; `takeover` does that for gateways that died.
"""
