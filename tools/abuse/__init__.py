"""Measures one hostile account beside honest pairs: its effect on their latency, the answers that it gets, and the memory that it
costs.
"""
