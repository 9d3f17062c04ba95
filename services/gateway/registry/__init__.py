"""What the gateway records about its connections for other services: their routes in Redis, and their users in the directory."""
