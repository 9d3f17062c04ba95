"""The Grafana dashboard, the list of metrics and the alert rules, from what the code and `deploy/prometheus` declare."""
