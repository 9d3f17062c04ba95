"""Web push: RFC 8030 (the request), 8291 (encryption) and 8292 (VAPID), to allowed hosts only."""
