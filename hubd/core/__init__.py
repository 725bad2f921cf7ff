"""What hubd does: use cases, one file each, called by every transport with an ``Actor``."""
