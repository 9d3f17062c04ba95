"""Inspects files in worker processes: finds their type, and makes what is served."""
