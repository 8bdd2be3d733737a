"""A file of the user: uploaded and kept while they look at other pages, or named by its path."""

import re
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from ui.shell import access, theme
from wann_core.errors import WannError


@dataclass(frozen=True)
class File:
    """A user's file.

    Attributes
    ----------
    name : str
        As the user calls it.
    token : str
        Changes when its content does.
    path : Path
        Of an upload: a temporary file, which goes when nobody holds this object any more.
    nbytes : int
        Of an upload.
    """

    name: str
    token: str
    path: Path
    nbytes: int = 0


# Of all that is kept at once, by one session and by all; and what stays free on the disk.
_MOST_OF_SESSION, _MOST_OF_ALL, _KEPT_FREE = 4 << 30, 16 << 30, 1 << 30
_kept: "weakref.WeakSet[File]" = weakref.WeakSet()


def _check_room(nbytes: int, folder: str | Path, own: int) -> None:
    """Raise `WannError` unless an upload of this size may be kept."""
    free = shutil.disk_usage(folder).free
    for room, reason in (
        (_MOST_OF_SESSION - own, "you keep as much as one session may: drop another upload first"),
        (_MOST_OF_ALL - sum(file.nbytes for file in _kept), "others keep much here: try it later"),
        (free - _KEPT_FREE, "the server's disk is nearly full"),
    ):
        if nbytes > room:
            size = f"{theme.nbytes(nbytes)}, where {theme.nbytes(max(room, 0))} may be"
            raise WannError(f"the upload is too large ({size}): {reason}.", "path")


def choose(what: str, suffixes: Sequence[str], key: str, example: str) -> File | None:
    """Draw the two ways to name a file; None, and perhaps an error, where there is none.

    Parameters
    ----------
    what : str
        What to upload, as in 'table'.
    suffixes : sequence of str
        That the browser offers; the type of a file is found from its content.
    key : str
        Of the widgets; `forget` takes it, too.
    example : str
        A path to show in the empty field.
    """
    left, right = st.columns(2)
    upload = left.file_uploader(
        f"Upload a {what}", type=list(suffixes), key=_uploader(key), on_change=_drop, args=(key,)
    )
    typed = right.text_input(
        "or name a file on the machine of this app",
        key=f"{key}_path",
        persist_state="session",
        placeholder=example,
        disabled=upload is not None,
    )
    kept: File | None = st.session_state.get(_memory(key))
    if upload is not None:
        if kept is None or kept.token != upload.file_id:
            try:
                with st.spinner("Storing the upload …"):
                    kept = _stored(upload)
            except (OSError, WannError) as error:
                message = f"{upload.name!r} cannot be stored: {_reason(error)}."
                left.error(theme.plain(message), icon=":material/error:")
                return None
            st.session_state[_memory(key)] = kept
            # The address outlives this server, and the upload does not.
            st.query_params[_memory(key)] = kept.token
        return kept
    if kept is not None:
        # The uploader is empty after a look at another page.
        text, button = left.columns([3, 1], vertical_alignment="center")
        text.caption(f"{theme.plain(kept.name)}, uploaded before, is in use.")
        button.button("Drop it", on_click=_drop, args=(key,), key=f"{key}_drop")
        return kept
    if typed.strip():
        return _named(typed, right)
    if _memory(key) in st.query_params:
        left.warning(
            f"The {what} that was uploaded here is gone: the app has been restarted, or this is "
            "another window. Upload it again.",
            icon=":material/upload_file:",
        )
    return None


def forget(key: str) -> None:
    """Empty both fields; call it before they are drawn."""
    _drop(key)
    st.session_state[f"{key}_path"] = ""
    st.session_state[f"_{key}_number"] = st.session_state.get(f"_{key}_number", 0) + 1


def _uploader(key: str) -> str:
    # An uploader cannot be emptied; another one is empty.
    return f"{key}_file_{st.session_state.get(f'_{key}_number', 0)}"


def _memory(key: str) -> str:
    return f"_{key}_kept"


def _drop(key: str) -> None:
    st.session_state.pop(_memory(key), None)
    st.query_params.pop(_memory(key), None)


def _stored(upload: Any) -> File:
    held = [value for value in st.session_state.values() if isinstance(value, File)]
    _check_room(upload.size, tempfile.gettempdir(), sum(file.nbytes for file in held))
    folder = tempfile.mkdtemp(prefix="wann-upload-")
    # Errors name the file, so it has a similar name, of harmless characters only.
    harmless = re.sub(r"[^\w.+ -]+", "-", upload.name)[-100:].lstrip(".- ")
    path = Path(folder) / (harmless or "upload")
    try:
        with path.open("wb") as file:
            shutil.copyfileobj(upload, file)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    stored = File(upload.name, upload.file_id, path, upload.size)
    _kept.add(stored)
    weakref.finalize(stored, shutil.rmtree, folder, ignore_errors=True)
    return stored


def _reason(error: Exception) -> str:
    """Why, as the end of a sentence; names in it keep their letters."""
    text = (getattr(error, "strerror", None) or str(error)).rstrip(".")
    return f"{text[:1].lower()}{text[1:]}"


def _named(typed: str, place: Any) -> File | None:
    try:
        path = access.typed_path(typed)
        if not path.is_file():
            reason = "is not a file" if path.exists() else "does not exist"
            raise WannError(f"{typed.strip()[:200]!r} cannot be read: {reason}.", "path")
        stat = path.stat()
    except WannError as error:
        place.error(theme.plain(str(error)), icon=":material/error:")
        return None
    except OSError as error:
        text = f"{typed.strip()[:200]!r} cannot be read: {_reason(error)}."
        place.error(theme.plain(text), icon=":material/error:")
        return None
    return File(path.name, f"{path} {stat.st_size} {stat.st_mtime_ns}", path)


def data_set_name(file_name: str) -> str:
    """A data set's name from a file's name: what is not allowed becomes '-'."""
    return re.sub(r"[^\w.+ -]+", "-", Path(file_name).stem).strip(". -") or "my-data"
