"""The database's schema: one alembic history for all services, a PostgreSQL schema for each."""
