"""Revocations and blocks over a restore: a database of yesterday must not let in again who was shut out today.

record   what is kept meanwhile, in a file
take     read it from the database, and from Redis' copies where they know more
put      give it to the restored database, and to Redis, which was emptied
"""
