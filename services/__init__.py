"""The services. Each is one process, `python -m services.<name>`, and scales by adding replicas. None imports another."""
