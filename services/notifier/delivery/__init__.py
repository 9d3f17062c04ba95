"""Delivery of push jobs: a bounded queue for each push service, claims, and what is done about each outcome."""
