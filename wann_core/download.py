"""Downloads that say how far they are, can be stopped and go on where they stopped."""

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path

from wann_core.errors import WannError
from wann_core.neighbors import Progress

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
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    done = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "wann-explorer"})
    if done:
        request.add_header("Range", f"bytes={done}-")
    try:
        try:
            response = urllib.request.urlopen(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            part.unlink()  # it was complete, and wrong: from the start
            return download(url, path, md5=md5, way=way, progress=progress)
        with response:
            if response.status != http.client.PARTIAL_CONTENT:
                done = 0
            total = done + int(response.headers.get("Content-Length") or 0)
            with part.open("ab" if done else "wb") as file:
                while chunk := response.read(_CHUNK):
                    file.write(chunk)
                    done += len(chunk)
                    if progress is not None:
                        progress(done, max(done, total), f"downloading {path.name}")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise WannError(f"{url} cannot be downloaded ({reason}); {way}", "dataset") from error
    if checksum(part) != md5:
        part.unlink()
        raise WannError(f"{url} sent a file with a wrong checksum; {way}", "dataset")
    part.replace(path)


def checksum(path: Path) -> str:
    """MD5 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
