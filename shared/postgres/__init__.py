"""PostgreSQL: any URL that libpq takes, a pool with bounded waits, statements from `.sql` files.

address       parses the URL
session       one connection, to a host that answers and can write
pool          connections of one replica
kept          connections that are kept between statements
condition     checks of the database: schema, durability, pooler
statements    the `.sql` files
errors        which errors are transient
"""

from shared.postgres.address import Address, AddressError, parse
from shared.postgres.condition import DatabaseWatch
from shared.postgres.errors import DATABASE_ERRORS, TRANSIENT_ERRORS
from shared.postgres.kept import KeptConnections
from shared.postgres.pool import INDEX_HINTS, Lent, Pool, close_pool, open_pool, ping
from shared.postgres.session import STATEMENT_SECONDS, Connection, connect
from shared.postgres.statements import load_sql

__all__ = [
    "DATABASE_ERRORS",
    "INDEX_HINTS",
    "STATEMENT_SECONDS",
    "TRANSIENT_ERRORS",
    "Address",
    "AddressError",
    "Connection",
    "DatabaseWatch",
    "KeptConnections",
    "Lent",
    "Pool",
    "close_pool",
    "connect",
    "load_sql",
    "open_pool",
    "parse",
    "ping",
]
