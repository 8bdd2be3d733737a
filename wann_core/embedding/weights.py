"""Weights of timm models: on this machine, or from the hub without a long wait when it is away."""

import hashlib
import importlib
import io
import os
import threading
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wann_core.errors import WannError
from wann_core.progress import Progress

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
# A hub that is there answers within a fraction of this; its own client would try for a minute.
_CONNECT_SECONDS = 3.0
# Looking up a name has no time limit of its own, so waiting has one, too.
_WAIT_SECONDS = 3.0
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def _hub() -> Any:
    """The hub's client, which imports its modules only when they are asked for by name."""
    for module in ("constants", "errors", "utils"):
        importlib.import_module(f"huggingface_hub.{module}")
    return importlib.import_module("huggingface_hub")


class HubCheck:
    """One request to the hub, or to the host of another address, in the background.

    Parameters
    ----------
    address : str, optional
        Whose host to ask; the hub's endpoint (`HF_ENDPOINT`) if None.
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = address
        self._problem: str | None = f"no answer within {_WAIT_SECONDS:g} s"
        self._thread = threading.Thread(target=self._ask, name="hub-check", daemon=True)
        self._thread.start()

    def _ask(self) -> None:
        hub = _hub()
        if hub.constants.HF_HUB_OFFLINE:
            self._problem = "HF_HUB_OFFLINE is set"
            return
        address = self._address or hub.constants.ENDPOINT
        try:
            # The hub's own client: the same proxies and certificates as a download. Whatever the
            # status, somebody answered.
            hub.utils.get_session().head(address, timeout=_CONNECT_SECONDS)
        # Which exceptions the client raises has changed from version to version.
        except Exception as error:
            host = urllib.parse.urlsplit(address).netloc
            self._problem = f"{host} cannot be reached ({_first_line(error)})"
        else:
            self._problem = None

    def problem(self) -> str | None:
        """Why the hub cannot be used, or None; waits a few seconds at most."""
        self._thread.join(_WAIT_SECONDS)
        return self._problem


def hub_check_for(name: str) -> HubCheck | None:
    """A check begun early, if by its name alone a timm model is not on this machine.

    Importing torch and timm, which know more, takes longer than the check.

    Raises
    ------
    WannError
        If the model's weights surely cannot be had.
    """
    hub = _hub()
    cache = Path(hub.constants.HF_HUB_CACHE)
    # A download that broke off leaves folders without weights.
    files = [path for suffix in SUFFIXES for path in cache.glob(f"models--*/snapshots/*/*{suffix}")]
    folders = {path.relative_to(cache).parts[0] for path in files}
    ours = "models--timm--"
    if any(f == ours + name or f.startswith(f"{ours}{name}.") for f in folders):
        return None
    check = HubCheck()
    # Under other names, and in torch's own folder, only timm knows what belongs to this model.
    by_name = all(folder.startswith(ours) for folder in folders)
    if by_name and not any(_url_folder().glob("*")) and (problem := check.problem()):
        raise _unavailable(name, problem, sorted(f.removeprefix(ours) for f in folders))
    return check


def _unavailable(name: str, problem: str, others: list[str]) -> WannError:
    return WannError(
        f"the weights of {name!r} are not on this machine and cannot be downloaded: {problem}; "
        "give a file with --weights, set HF_HOME to a cache that holds them, or choose a backbone "
        f"that is installed ({', '.join(['pixels', *others])}).",
        "backbone",
    )


def find(cfg: Any) -> Path | None:
    """The weights file of a timm configuration, if it is on this machine already."""
    hub = _hub()
    for filename in _hub_files(cfg):
        repository, revision = _repository(cfg)
        cached = hub.try_to_load_from_cache(repository, filename, revision=revision)
        if isinstance(cached, str):
            return Path(cached)
    if cfg.url:
        cached_url = _url_file(cfg.url)
        return cached_url if cached_url.is_file() else None
    return None


def fetch(name: str, cfg: Any, check: HubCheck | None, progress: Progress | None) -> Path:
    """Download the weights of a timm configuration.

    Raises
    ------
    WannError
        If there are none, or where they lie cannot be reached; that takes a few seconds.
    """
    if not cfg.hf_hub_id and not cfg.url:
        raise WannError(
            f"timm has no weights of {name!r}; give some with --weights FILE.", "weights"
        )
    from_hub = bool(cfg.hf_hub_id)
    problem = (check or HubCheck(None if from_hub else cfg.url)).problem()
    if problem is None:
        stop: list[BaseException] = []
        try:
            return _from_hub(cfg, _bar(progress, stop)) if from_hub else _from_url(cfg.url)
        # As above: no common base of what the clients raise.
        except Exception as error:
            if stop:
                raise stop[0] from None
            problem = _first_line(error)
    raise _unavailable(name, problem, installed())


def installed() -> list[str]:
    """Names of the timm models whose weights are on this machine."""
    timm: Any = importlib.import_module("timm")
    hub = _hub()
    cache = Path(hub.constants.HF_HUB_CACHE)
    cached = {path.name for path in cache.glob("models--*")}
    names = []
    for name in timm.list_pretrained():
        cfg = timm.get_pretrained_cfg(name)
        folder = f"models--{(cfg.hf_hub_id or '').partition('@')[0].replace('/', '--')}"
        # Most names need no look at any file: there are some 1,700.
        if (folder in cached or not cfg.hf_hub_id) and find(cfg):
            names.append(name)
    return names


def sha256(path: Path) -> str:
    """Digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hub_files(cfg: Any) -> Iterator[str]:
    """Names under which the weights may lie in the hub's repository, the preferred first."""
    if not cfg.hf_hub_id:
        return
    if not cfg.hf_hub_filename:
        yield from _HUB_FILES
        return
    if cfg.hf_hub_filename.endswith(".bin"):
        yield cfg.hf_hub_filename.removesuffix(".bin") + ".safetensors"
    yield cfg.hf_hub_filename


def _repository(cfg: Any) -> tuple[str, str | None]:
    repository, _, revision = cfg.hf_hub_id.partition("@")
    return repository, revision or None


def _from_hub(cfg: Any, bar: Any) -> Path:
    hub = _hub()
    repository, revision = _repository(cfg)
    *alternatives, last = _hub_files(cfg)
    for filename in alternatives:
        try:
            return Path(
                hub.hf_hub_download(repository, filename, revision=revision, tqdm_class=bar)
            )
        except hub.errors.EntryNotFoundError:
            continue
    return Path(hub.hf_hub_download(repository, last, revision=revision, tqdm_class=bar))


def _url_folder() -> Path:
    """Where torch keeps what it downloads (`torch.hub.get_dir`, without importing torch)."""
    home = os.environ.get("TORCH_HOME")
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    return (Path(home) if home else cache / "torch").expanduser() / "hub" / "checkpoints"


def _url_file(url: str) -> Path:
    return _url_folder() / Path(urllib.parse.urlsplit(url).path).name


def _from_url(url: str) -> Path:
    torch: Any = importlib.import_module("torch")
    path = _url_file(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.hub.download_url_to_file(url, str(path), progress=False)
    return path


def _bar(progress: Progress | None, stop: list[BaseException]) -> type:
    """A bar for the hub's client that draws nothing and calls `progress`."""
    tqdm: Any = importlib.import_module("tqdm")

    class Bar(tqdm.tqdm):  # type: ignore[misc, unused-ignore]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.pop("name", None)  # the client's own extension
            super().__init__(*args, **{**kwargs, "file": io.StringIO()})

        def update(self, n: float = 1) -> Any:
            drawn = super().update(n)
            if progress and self.total:
                try:
                    progress(self.n, self.total, "downloading weights")
                except BaseException as error:
                    stop.append(error)
                    raise
            return drawn

    return Bar


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0][:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
