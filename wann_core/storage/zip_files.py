"""Zip files, measured before they are opened."""

import os
import struct
from typing import BinaryIO

_END = struct.Struct("<4s8xL6x")
_END_64, _LOCATOR_64 = struct.Struct("<4s36xQ8x"), struct.Struct("<4s4xQ4x")
_LONGEST_COMMENT = 1 << 16


def check_directory(file: BinaryIO, max_bytes: int) -> None:
    """Refuse a zip file whose directory is larger than `max_bytes`, before it is read.

    zipfile makes an object of each entry, ten times larger than the entry.

    Raises
    ------
    ValueError
        If it is larger.
    """
    whole = file.seek(0, os.SEEK_END)
    tail_start = max(0, whole - _LONGEST_COMMENT - _END.size)
    file.seek(tail_start)
    tail = file.read()
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) < place + _END.size:
        return  # not a zip file: zipfile raises the error
    _, size = _END.unpack_from(tail, place)
    locator = place - _LOCATOR_64.size
    if locator >= 0 and tail[locator : locator + 4] == b"PK\6\7":
        # Python looks right before the locator, others where it points to.
        sizes = [0 if size == 0xFFFFFFFF else size]
        stated = _LOCATOR_64.unpack_from(tail, locator)[1]
        for start in (tail_start + locator - _END_64.size, stated):
            file.seek(min(max(start, 0), whole))
            record = file.read(_END_64.size)
            if len(record) == _END_64.size and record[:4] == b"PK\6\6":
                sizes.append(_END_64.unpack(record)[1])
        size = max(sizes)
    file.seek(0)
    if size > max_bytes:
        raise ValueError(f"its directory of {size:,} bytes is too large")
