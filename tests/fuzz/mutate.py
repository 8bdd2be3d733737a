"""Damage to bytes, as disks, editors and hostile people do it; the same for the same seed."""

import random
import re

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

_EDGE = 2000  # bytes
# A value in JSON, TOML or CSV, and others in its place.
_VALUE = re.compile(rb'"[^"\n]*"|[^\s,;:"\[\]{}=]+')
_OTHER_VALUES = (
    b"null",
    b"true",
    b"-1",
    b"0.5",
    b"1e999",
    b"NaN",
    b"9" * 400,
    b"[]",
    b"{}",
    b"[[1]]",
    b'{"a": null}',
    b'""',
    b'"a"',
    b'"\\ud800"',
    b'"' + b"x" * 300 + b'"',
)


def mutated(whole: bytes, other: bytes, rng: random.Random) -> bytes:
    """A text with another value, or one to four damages to `whole`.

    `other` is a file of the same format to splice in.
    """
    if rng.randrange(2) and b"\0" not in whole and (values := [*_VALUE.finditer(whole)]):
        value = rng.choice(values)
        return whole[: value.start()] + rng.choice(_OTHER_VALUES) + whole[value.end() :]
    raw = bytearray(whole)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        _damage(raw, other, rng)
    return bytes(raw)


def _damage(raw: bytearray, other: bytes, rng: random.Random) -> None:
    at = rng.randrange(len(raw) + 1)
    if len(raw) > 4 * _EDGE and rng.randrange(2):  # where headers and directories lie
        at = rng.choice((at % _EDGE, len(raw) - at % _EDGE))
    size = min(len(raw) - at, rng.choice((1, 2, 4, 8, 64, 1000)))
    kind = rng.randrange(8)
    if kind == 0:
        del raw[at:]
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
