"""The Grafana dashboard and the operator's alert rules, generated from what the code and `deploy/prometheus` declare."""
