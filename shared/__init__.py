"""Code that all services share: the protocol, and thin, typed access to PostgreSQL, RabbitMQ and Redis."""
