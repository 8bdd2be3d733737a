"""The same planted faults listed by cleanvision and fastdup, each in an environment of its own.

Run `python benchmarks/issues_peers.py OUT {cleanvision,fastdup}` after `benchmarks.issues`.
"""

import argparse
from pathlib import Path

import pandas as pd

_CLEANVISION = {
    "dark": "dark",
    "light": "bright",
    "blurry": "blurred",
    "low_information": "blank",
    "odd_size": "tiny",
    "near_duplicates": "near_duplicate",
    "exact_duplicates": "near_duplicate",
}
_NEAR, _DARK, _BRIGHT, _BLURRED = 0.9, 13, 220.5, 50  # fastdup's own defaults


def cleanvision(folder: Path, unreadable: set[str]) -> pd.DataFrame:
    """Files and kinds that Imagelab reports under its defaults.

    A file that is cut short ends it with an exception, so it does not get these.
    """
    from cleanvision import Imagelab

    files = [
        p for p in sorted(folder.rglob("*.jpg")) if str(p.relative_to(folder)) not in unreadable
    ]
    lab = Imagelab(filepaths=[str(path) for path in files])
    lab.find_issues()
    lines = []
    for theirs, ours in _CLEANVISION.items():
        column = f"is_{theirs}_issue"
        if column in lab.issues:
            lines += [(path, ours) for path in lab.issues.index[lab.issues[column]]]
    return pd.DataFrame(lines, columns=["file", "kind"])


def fastdup(folder: Path, work: Path) -> pd.DataFrame:
    """Files and kinds that fastdup reports under the thresholds of its galleries."""
    import fastdup

    run = fastdup.create(input_dir=str(folder), work_dir=str(work))
    run.run(overwrite=True)
    lines = [(path, "unreadable") for path in run.invalid_instances()["filename"]]
    pairs = run.similarity()
    near = pairs[pairs["distance"] >= _NEAR]
    lines += [(p, "near_duplicate") for c in ("filename_from", "filename_to") for p in near[c]]
    stats = run.img_stats()
    for mask, kind in (
        (stats["mean"] < _DARK, "dark"),
        (stats["mean"] > _BRIGHT, "bright"),
        (stats["blur"] < _BLURRED, "blurred"),
    ):
        lines += [(path, kind) for path in stats.loc[mask, "filename"]]
    lines += [(path, "outlier") for path in run.outliers()["filename_outlier"]]
    return pd.DataFrame(lines, columns=["file", "kind"])


def main() -> None:
    """Print found and false alarms by kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("peer", choices=("cleanvision", "fastdup"))
    args = parser.parse_args()
    folder = (args.out / "planted").resolve()
    truth = pd.read_csv(args.out / "truth.csv")
    cut = set(truth.loc[truth["kind"] == "unreadable", "file"])
    if args.peer == "cleanvision":
        found = cleanvision(folder, cut)
    else:
        found = fastdup(folder, args.out / "fd")
    found["file"] = [str(Path(path).resolve().relative_to(folder)) for path in found["file"]]
    faulty = set(truth["file"])
    for kind, mine in truth.groupby("kind", sort=False):
        listed = set(found.loc[found["kind"] == kind, "file"])
        hits = mine["file"].isin(listed).sum()
        print(f"{kind:16} {len(mine):3} planted {hits:3} found {len(listed - faulty):4} false")


if __name__ == "__main__":
    main()
