"""The lock file holds what requirements.txt pins, with hashes, and names no host."""

import re

from tests.helpers.roots import ROOT

PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def test_every_pin_is_locked_with_hashes() -> None:
    pinned = dict(PIN.findall((ROOT / "requirements.txt").read_text()))
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=\S)", text)
    locked = {m[1]: (m[2], "--hash=sha256:" in b) for b in blocks if (m := PIN.match(b))}
    assert {name: locked.get(name) for name in pinned} == {
        name: (version, True) for name, version in pinned.items()
    }
    assert all(hashed for _, hashed in locked.values())
    assert "://" not in text
