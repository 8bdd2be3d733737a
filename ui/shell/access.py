"""Which folders of the server's machine a browser may name, and who is logged in."""

import contextlib
import ipaddress
import os
import tempfile
from pathlib import Path

import streamlit as st

from wann_core.errors import WannError
from wann_core.paths import (
    DATABASE_ROOT,
    DATASET_ROOT,
    beside_checkout,
    cache_folder,
    review_folder,
)

_ROOTS = "WANN_ROOTS"
# Where systems hang drives.
_DRIVES = ("/mnt", "/media", "/Volumes")


def typed_path(text: str, field: str = "path") -> Path:
    """A path as somebody typed it or a link has it; '~' is their home where it means one.

    Raises
    ------
    WannError
        If it lies, links resolved, outside the folders that this server serves.
    """
    path = Path(text.strip())
    with contextlib.suppress(RuntimeError):  # no such user: a name like others
        path = path.expanduser()
    try:
        real = path.resolve()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            real.stat()  # what no file system takes: a loop of links, a name that is too long
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WannError(f"{text.strip()[:200]!r} cannot be read: {reason}.", field) from error
    if not any(real.is_relative_to(root) for root in served()):
        raise WannError(
            f"{text.strip()[:200]!r} is outside the folders that this server may use; whoever "
            f"runs it can add its folder to {_ROOTS}.",
            field,
        )
    return path


def served() -> list[Path]:
    """The folders that a path from a browser may lie in, links resolved.

    Always those of the server itself: databases, data, reviews, cache. Beside them what
    `WANN_ROOTS` names; where it is not set and this machine's own user is the only one who can
    come, their home, temporary files, drives, the folder that the server was started in, and what
    lies beside the project.
    """
    named = os.environ.get(_ROOTS)
    roots: list[str | Path] = [
        os.environ.get("WANN_DATABASE_ROOT", DATABASE_ROOT),
        os.environ.get("WANN_DATASET_ROOT", DATASET_ROOT),
        review_folder(),
        cache_folder(),
    ]
    if named is not None:
        roots += [root for root in named.split(os.pathsep) if root.strip()]
    elif not is_shared():
        roots += [Path.home(), tempfile.gettempdir(), Path.cwd(), *_DRIVES, *beside_checkout()]
    return [Path(root).expanduser().resolve() for root in roots]


def is_shared() -> bool:
    """Whether others than this machine's own user may come: by the network, or by a login."""
    if asks_login():
        return True
    address = st.get_option("server.address")
    try:
        return not ipaddress.ip_address(address or "0.0.0.0").is_loopback
    except ValueError:
        return str(address) != "localhost"


def asks_login() -> bool:
    """Whether the operator has set up Streamlit's login (`[auth]` in its secrets)."""
    return "is_logged_in" in st.user


def user() -> str | None:
    """Who is logged in, by their e-mail address or name; None where nobody logs in."""
    if not asks_login():
        return None
    found = st.user.get("email") or st.user.get("name") or st.user.get("sub")
    return str(found)[:200] if found else None


def must_log_in() -> bool:
    """Whether a login is asked for and has not been done."""
    return asks_login() and not st.user.get("is_logged_in")


def require_login() -> None:
    """End the page with a way to log in, where that is asked for and has not been done."""
    if must_log_in():
        st.title("WANN Explorer")
        st.button("Log in", type="primary", icon=":material/login:", on_click=st.login)
        st.stop()
