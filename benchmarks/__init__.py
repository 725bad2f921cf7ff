"""Measures hubd beside nginx + git-http-backend and OpenSSH + git-shell: ``python -m benchmarks``."""
