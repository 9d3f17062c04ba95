"""Web push: who subscribed, and one notification to each of their devices for a message that nobody got."""
