"""The local stack: the whole system on one machine, for `make run`, `make up` and the tests.

Nothing is imported here: `tools.stack.install` must run on a bare Python, before anything is installed.
"""
