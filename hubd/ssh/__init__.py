"""Git over SSH: keys in, one exact command, bytes to and from git. No shell, no forwarding."""
