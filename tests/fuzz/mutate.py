"""Damage to bytes, as disks, editors and hostile people do it; the same for the same seed."""

import random

_ODD = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"-1",
    b"1e999",
    b"NaN",
    b"null",
    b"{",
    b"[[",
    b"((",
    b'"',
    b"\n",
    b"\r",
    b",",
    b";",
    b"../",
    b"\xed\xa0\x80",
    b"\xe2\x80\xae",
    b"9" * 5000,
)


def mutated(whole: bytes, other: bytes, rng: random.Random) -> bytes:
    """One to four damages to `whole`; `other` is a file of the same format to splice in."""
    raw = bytearray(whole)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw) + 1)
        size = min(len(raw) - at, rng.choice((1, 2, 4, 8, 64, 1000)))
        kind = rng.randrange(8)
        if kind == 0:
            raw = raw[:at]
        elif kind == 1:
            del raw[at : at + size]
        elif kind == 2:
            raw[at : at + size] = rng.randbytes(size)
        elif kind == 3 and at < len(raw):
            raw[at] ^= 1 << rng.randrange(8)
        elif kind == 4:
            raw[at:at] = rng.choice(_ODD)
        elif kind == 5:
            raw[at : at + size] = rng.choice(_ODD)[:size]
        elif kind == 6:
            raw[at:at] = raw[at : at + size]
        else:
            start = rng.randrange(len(other) + 1)
            raw[at : at + size] = other[start : start + size]
    return bytes(raw)
