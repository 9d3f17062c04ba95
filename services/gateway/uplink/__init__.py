"""From a client's command to a message in the broker: batches, rate limits, error replies."""
