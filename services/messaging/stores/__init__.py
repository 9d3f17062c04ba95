"""What PostgreSQL keeps, one module for each kind, with the statements in `sql/`; and the copies of it in Redis."""
