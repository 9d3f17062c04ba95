"""The server API's requests to messaging: `requests` dispatches them, the other modules carry them out."""
