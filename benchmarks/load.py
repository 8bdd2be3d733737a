"""Many people at once: seconds of a slider's rerun, memory of a session, and of many reruns.

Run `python -m benchmarks.load [--sessions 20] [--moves 15] [--soak 0]`, on scikit-learn's digits. A
server is started; its clients are one process of lowest priority that speaks Streamlit's protocol
over websockets, so that no browser takes the server's time. Each session opens the Overview, waits,
and moves the slider of the noise ratio; then all close. `--soak N` makes N reruns by four sessions
instead, and prints the server's memory along the way.
"""

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

ROOT = Path(__file__).parents[1]
SLIDER = "Noise ratio"
VALUES = tuple(round(0.01 * step, 2) for step in range(81))
THINK_SECONDS = 2.0
CLOSED_SECONDS = 150.0  # Streamlit keeps a session for those who come back for two minutes
SOAK_SESSIONS, SAMPLES = 4, 10
PATIENCE = 300.0
_MOST_MESSAGE = 1 << 28


class Session:
    """One browser tab: what the page's own client sends and waits for."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.page = ""
        self.slider = ""
        self.fragment = ""
        self.received = 0

    async def open(self) -> float:
        """Connect and load the page; the seconds that took."""
        address = f"ws://127.0.0.1:{self.port}/_stcore/stream"
        self.socket = await connect(address, subprotocols=["streamlit"], max_size=_MOST_MESSAGE)
        took = await self.run(BackMsg())
        if not self.slider:
            raise RuntimeError(f"the page has no slider {SLIDER!r}")
        self.received = 0
        return took

    async def move(self, value: float) -> float:
        """Move the slider; the seconds until the script has ended."""
        message = BackMsg()
        state = message.rerun_script.widget_states.widgets.add()
        state.id = self.slider
        state.double_array_value.data.append(value)
        message.rerun_script.fragment_id = self.fragment
        return await self.run(message)

    async def run(self, message: Any) -> float:
        """Send a request to run the script, and read all that comes of it."""
        message.rerun_script.page_script_hash = self.page
        began = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        while True:
            raw = await asyncio.wait_for(self.socket.recv(), PATIENCE)
            answer = ForwardMsg.FromString(raw)
            self.received += len(raw)
            kind = answer.WhichOneof("type")
            if kind == "new_session":
                self.page = answer.new_session.page_script_hash
            elif kind == "delta":
                self.find(answer.delta)
            elif kind == "script_finished":
                return time.perf_counter() - began

    def find(self, delta: Any) -> None:
        """Remember the slider, and the fragment that it lies in."""
        element = delta.new_element
        if element.WhichOneof("type") == "slider" and element.slider.label == SLIDER:
            self.slider, self.fragment = element.slider.id, delta.fragment_id

    async def close(self) -> None:
        """Close the tab."""
        await self.socket.close()


async def crowd(port: int, sessions: int, moves: int) -> tuple[list[float], list[float], float]:
    """Open sessions one after the other, then all move their sliders at their own pace.

    Returns seconds to open, seconds of each rerun, and KiB that a rerun sends.
    """
    people = [Session(port) for _ in range(sessions)]
    opened = [await one.open() for one in people]
    print("opened", flush=True)
    rng = random.Random(0)

    async def work(one: Session) -> list[float]:
        took = []
        for _ in range(moves):
            await asyncio.sleep(rng.expovariate(1 / THINK_SECONDS))
            took.append(await one.move(rng.choice(VALUES)))
        return took

    reruns = [took for mine in await asyncio.gather(*map(work, people)) for took in mine]
    print("worked", flush=True)
    await asyncio.gather(*(one.close() for one in people))
    return opened, reruns, sum(one.received for one in people) / len(reruns) / 1024


async def soak(port: int, reruns: int) -> None:
    """Rerun without pause, by a few sessions."""
    people = [Session(port) for _ in range(SOAK_SESSIONS)]
    for one in people:
        await one.open()
    rng, each = random.Random(0), max(1, reruns // SOAK_SESSIONS // SAMPLES)
    for _ in range(SAMPLES):

        async def work(one: Session) -> None:
            for _ in range(each):
                await one.move(rng.choice(VALUES))

        await asyncio.gather(*map(work, people))
        print(f"sample {each * SOAK_SESSIONS}", flush=True)
    await asyncio.gather(*(one.close() for one in people))


def resident(process: "subprocess.Popen[bytes]") -> float:
    """MiB of memory that a process holds."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the server has ended")


def serve(folder: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """Start the dashboard on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = [f"--server.port={port}", "--server.headless=true"]
    environment = os.environ | {"WANN_CACHE": str(folder), "WANN_REVIEW_ROOT": str(folder)}
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), *options]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                return server, port
        except OSError:
            time.sleep(0.3)
    server.kill()
    raise RuntimeError("the server does not answer")


def clients(port: int, *arguments: str) -> "subprocess.Popen[str]":
    """Start the process of the clients."""
    command = ["nice", "-n", "19", sys.executable, "-m", "benchmarks.load", "--port", str(port)]
    return subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def measure(sessions: int, moves: int, wait: float) -> None:
    """Print seconds and memory of a crowd."""
    with tempfile.TemporaryDirectory() as folder:
        server, port = serve(Path(folder))
        try:
            for count in (1, sessions):
                process = clients(port, "--sessions", str(count), "--moves", str(moves))
                assert process.stdout is not None
                if count == 1:  # what is loaded once, for whoever comes first
                    print(process.communicate()[0].splitlines()[-1])
                    before = resident(server)
                    continue
                most = before
                for line in process.stdout:
                    most = max(most, resident(server))
                    if line[0].isdigit():
                        print(line, end="")
                process.wait()
            each = (most - before) / sessions
            print(f"memory: {before:.0f} MiB before, {most:.0f} at most, {each:.1f} a session")
            time.sleep(wait)
            after = resident(server)
            print(f"{wait:.0f} s after all closed: {after:.0f} MiB ({after / before - 1:+.1%})")
        finally:
            server.terminate()
            server.wait(20)


def soaked(reruns: int) -> None:
    """Print the server's memory along many reruns."""
    with tempfile.TemporaryDirectory() as folder:
        server, port = serve(Path(folder))
        try:
            process = clients(port, "--soak", str(reruns))
            assert process.stdout is not None
            done = 0
            for line in process.stdout:
                done += int(line.split()[1])
                print(f"{done:,} reruns: {resident(server):.0f} MiB", flush=True)
        finally:
            server.terminate()
            server.wait(20)


def main() -> None:
    """Measure, or, with a port, be the clients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--moves", type=int, default=15)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--wait", type=float, default=CLOSED_SECONDS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.port is not None and args.soak:
        asyncio.run(soak(args.port, args.soak))
    elif args.port is not None:
        opened, reruns, size = asyncio.run(crowd(args.port, args.sessions, args.moves))
        print(
            f"{args.sessions} sessions, {len(reruns)} reruns: median {np.median(reruns):.2f} s, "
            f"p95 {np.quantile(reruns, 0.95):.2f} s, longest {max(reruns):.2f} s, "
            f"{size:.0f} KiB each; page opened in {np.median(opened):.2f} s"
        )
    elif args.soak:
        soaked(args.soak)
    else:
        measure(args.sessions, args.moves, args.wait)


if __name__ == "__main__":
    main()
