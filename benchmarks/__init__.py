"""Measures hubd beside nginx + git-http-backend and OpenSSH: ``python -m benchmarks``."""
