"""Logs, metrics, fail points and the loop watch: how the daemon shows what it does."""
