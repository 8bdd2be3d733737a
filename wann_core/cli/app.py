"""`wann app`: the dashboard in a browser."""

import argparse
import importlib.util
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from wann_core.errors import WannError, check_installed, check_number

_PACKAGE = "wann_explorer"


def add_parser(commands: Any) -> None:
    """Add the command and its flags."""
    parser = commands.add_parser(
        "app",
        description="Start the dashboard's server and open it in a browser; Ctrl-C ends it.",
        epilog="examples: wann app; wann app --port 8600 --headless",
    )
    add = parser.add_argument
    add("--port", type=int, default=8501, help="of the server")
    add("--address", default="127.0.0.1", help="this machine alone by default; see docs/deploy.md")
    add("--base_path", default="", metavar="PATH", help="behind a reverse proxy, as in wann")
    add("--headless", action="store_true", help="open no browser")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped; returns the server's status, 128 + n where signal n has ended it.

    Raises
    ------
    WannError
        If the dashboard is not installed or the port is out of range.
    """
    check_number("port", args.port, 1, 65535, whole=True)
    check_installed("the dashboard", "streamlit", "plotly")
    script = app_file()
    # Beside these, Streamlit reads .streamlit/config.toml in the folder of the script.
    config = {
        "server.port": args.port,
        "server.address": args.address,
        "server.baseUrlPath": args.base_path,
        "server.headless": str(args.headless).lower(),
    }
    if args.address not in ("127.0.0.1", "localhost", "::1"):
        # Else Streamlit asks a server on the internet for the address of this machine.
        config["browser.serverAddress"] = "localhost"
    flags = [f"--{name}={value}" for name, value in config.items()]
    command = [sys.executable, "-m", "streamlit", "run", str(script), *flags]
    with subprocess.Popen(command) as server:
        # Whoever stops this process, as a container or a service does, means the server.
        signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            status = server.wait()
            return status if status >= 0 else 128 - status
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
