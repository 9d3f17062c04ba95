"""The local stack: the whole system on one machine, for `make run`, `make up` and the tests.

Nothing is imported here, because `tools.stack.install` must run before any package is installed.
"""
