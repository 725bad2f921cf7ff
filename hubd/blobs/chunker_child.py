"""Run by ``chunker``: cuts files into chunks with hf_xet, into a folder on disk.

Arguments: the folder, then the files. Imports nothing of hubd.
"""

from __future__ import annotations

import sys

import hf_xet


def main() -> None:
    """Chunk all files in one go, so that they share what is alike."""
    folder, *files = sys.argv[1:]
    with hf_xet.XetSession().new_upload_commit(endpoint=f"local://{folder}") as commit:
        handles = [commit.start_upload_file(file, sha256=hf_xet.COMPUTE_SHA256) for file in files]
    for handle in handles:
        handle.result()


if __name__ == "__main__":
    main()
