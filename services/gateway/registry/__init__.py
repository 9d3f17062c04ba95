"""What the gateway tells the rest of the system of its connections: their routes in Redis, and their users in the directory."""
