"""The Autobahn suite: hundreds of cases of RFC 6455, run against the gateway's WebSocket protocol."""
