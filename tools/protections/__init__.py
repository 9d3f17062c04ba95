"""Keeps revocations and blocks over a restore, so that users who were revoked or blocked since the backup stay so.

record   what is kept meanwhile, in a file
take     read it from the database, and from Redis' copies where they know more
put      give it to the restored database, and to Redis, which was emptied
"""
