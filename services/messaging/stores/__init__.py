"""The data in PostgreSQL, one module for each kind (statements in `sql/`), and its copies in Redis (scripts in `lua/`)."""
