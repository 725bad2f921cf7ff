"""Logs, metrics, fail points: what tells an operator and a test how the daemon is."""
