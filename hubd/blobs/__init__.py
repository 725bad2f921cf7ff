"""Bytes by their hash, on local disk or S3; knows nothing of repositories or rights."""
