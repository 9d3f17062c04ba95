"""Delivery of push jobs: a bounded queue for each push service, claims, and the handling of outcomes."""
