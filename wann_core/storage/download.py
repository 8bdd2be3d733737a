"""Downloads that report progress, can be stopped and resume where they stopped."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

from wann_core.errors import WannError
from wann_core.progress import Progress
from wann_core.storage.files import move

_CHUNK = 1 << 20
# Long enough for a slow handshake, short enough that nobody wonders whether anything happens.
_TIMEOUT = 4.0


def download(url: str, path: Path, *, md5: str, way: str, progress: Progress | None = None) -> None:
    """Fetch a file whose checksum is known, unless it is there.

    Parameters
    ----------
    url : str
    path : Path
        Written whole or not at all; what has come so far lies beside it as `<name>.part`.
    md5 : str
        Hexadecimal.
    way : str
        What to do if it cannot be fetched; ends the error's sentence.
    progress : callable, optional
        `progress(bytes done, bytes in all, text)`; may raise to stop.

    Raises
    ------
    WannError
        If the server cannot be reached or what it sends has another checksum.
    """
    if path.is_file() and checksum(path) == md5:
        return
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        missing = _receive(url, part, partial(_report, progress, path.name))
        right = not missing and checksum(part) == md5
        if right:
            move(part, path)
        elif not missing:
            part.unlink()
    except urllib.error.HTTPError as error:
        error.close()
        raise WannError(f"{url} cannot be downloaded ({error.reason}); {way}", "dataset") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise WannError(f"{url} cannot be downloaded ({reason}); {way}", "dataset") from error
    if missing:
        raise WannError(
            f"{url} broke off {missing} bytes before its end; try again, or {way}", "dataset"
        )
    if not right:
        raise WannError(f"{url} sent a file with a wrong checksum; {way}", "dataset")


def _receive(url: str, part: Path, report: Callable[[int, int], None]) -> int:
    """Fill `part` from where it ends; the number of bytes that the server still owes."""
    done = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "wann-explorer"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not done:
            raise
        error.close()
        # Either all of it has come before, or it is longer than the file.
        if error.headers.get("Content-Range") == f"bytes */{done}":
            return 0
        part.unlink()
        return _receive(url, part, report)
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length or 0)
        with part.open("ab" if done else "wb") as file:
            # What has come, not a full chunk: slow lines report progress, and can be stopped, too.
            while chunk := response.read1(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                report(done, max(done, total))
    return max(0, total - done)


def _report(progress: Progress | None, name: str, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total, f"downloading {name}")


def checksum(path: Path) -> str:
    """MD5 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
