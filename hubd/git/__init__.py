"""Git: the only door to the git binary, and what is read from and written to repositories."""
