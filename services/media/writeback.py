"""Begins to write a file to the disk while it grows.

Linux keeps written bytes in memory for up to 30 seconds, and then writes them all at once. Every fsync of a database on the same
disk waits behind such a burst, and with it each message that this database is to keep.
"""

import ctypes
import os
import sys
from pathlib import Path
from typing import Final

INTERVAL_BYTES: Final = 1024 * 1024
"""How many bytes of a file are received between two calls of `begin_writeback`."""
_WRITE: Final = 2
"""`SYNC_FILE_RANGE_WRITE`: begin to write all changed pages, and don't wait for them (sync_file_range(2))."""
_WHOLE_FILE: Final = ctypes.c_int64(0)


def begin_writeback(file: Path) -> None:
    """Ask Linux to write what is new in `file` to the disk. It promises nothing; without the file, nothing happens."""
    if sys.platform != "linux":
        return
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        ctypes.CDLL(None).sync_file_range(descriptor, _WHOLE_FILE, _WHOLE_FILE, _WRITE)
    finally:
        os.close(descriptor)
