"""`wann app`: the dashboard in a browser."""

import argparse
import importlib.util
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wann_core.cli.flags import HelpFormatter
from wann_core.errors import WannError, check_installed, check_number

_PACKAGE = "wann_explorer"


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "app",
        help="open the dashboard in a browser",
        description="Start the dashboard's server and open it in a browser; Ctrl-C ends it.",
        epilog="examples: wann app; wann app --port 8600 --headless",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--port", type=int, default=8501, help="of the server")
    add("--address", default="127.0.0.1", help="this machine alone by default; see docs/deploy.md")
    add("--base_path", default="", metavar="PATH", help="behind a reverse proxy, as in wann")
    add("--headless", action="store_true", help="open no browser")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped; returns the server's status.

    Raises
    ------
    WannError
        If the dashboard is not installed or the port is out of range.
    """
    check_number("port", args.port, 1, 65535, whole=True)
    check_installed("the dashboard", "streamlit", "plotly")
    script = app_file()
    config = dict(_settings(tomllib.loads((script.parent / ".streamlit/config.toml").read_text())))
    config |= {
        "server.port": args.port,
        "server.address": args.address,
        "server.baseUrlPath": args.base_path,
        "server.headless": str(args.headless).lower(),
    }
    flags = [f"--{name}={value}" for name, value in config.items()]
    try:
        return subprocess.run(
            [sys.executable, "-m", "streamlit", "run", str(script), *flags], check=False
        ).returncode
    except KeyboardInterrupt:
        return 0


def app_file() -> Path:
    """Return the dashboard's script: beside the engine in a checkout, else as installed.

    Raises
    ------
    WannError
        If there is none.
    """
    beside = Path(__file__).resolve().parents[2] / "app.py"
    if beside.is_file():
        return beside
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in [] if spec is None else spec.submodule_search_locations or []:
        if (Path(folder) / "app.py").is_file():
            return Path(folder) / "app.py"
    raise WannError("the dashboard is not installed: pip install 'wann-explorer[app]'.")


def _settings(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The names and values of a configuration, as Streamlit's flags spell them."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{prefix}{name}.")
        else:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield f"{prefix}{name}", text
