"""List the benchmarks: `python -m benchmarks`."""

import ast
from pathlib import Path


def listing() -> dict[str, str]:
    """First line of each benchmark's docstring by the benchmark's name."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[path.stem] = text.partition("\n")[0]
    return found


def main() -> None:
    """Print names and what each measures."""
    print("Run one by `python -m benchmarks.NAME`; the head of its file lists what it needs.\n")
    for name, line in listing().items():
        print(f"{name:12}{line}")


if __name__ == "__main__":
    main()
