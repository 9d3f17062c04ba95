"""From a client's command to a message in the broker.

`command_rate_limit` counts commands against budgets, `batches` collects them, `publisher` publishes batches, and `error_replies`
answers commands that failed. `presence` reports connections: `direct_presence` applies most reports with a script of presence in
Redis, and the rest is published. `lease_renewals` keeps leases alive. `typing_tracker` sends typing signals.
"""
