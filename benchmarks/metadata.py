"""Wrong labels by annotator, month and site: planted causes found, and none where there is none.

Run `python -m benchmarks.metadata [--sets 20] [--rows 1797]`, on scikit-learn's digits; a minute on
two cores. Every data set has wrong labels, one in ten, and three columns: 20 annotators, 12 months,
5 sites.
"""

import argparse

import numpy as np
import pandas as pd

from wann_core import audit_labels, datasets
from wann_core.audit.metadata import doubt_by_metadata

RATE = 0.1
BAD, TIMES = 3, 3.0
MONTH = 5


def columns_of(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Who labeled each row, when and where; drawn at random."""
    days = rng.integers(0, 365, rows)
    return pd.DataFrame(
        {
            "annotator": [f"a{j:02}" for j in rng.integers(0, 20, rows)],
            "month": pd.to_datetime("2024-01-01") + pd.to_timedelta(days, "D"),
            "site": [f"s{j}" for j in rng.integers(0, 5, rows)],
        }
    )


def wrong_labels(
    y: np.ndarray, columns: pd.DataFrame, planted: str, rng: np.random.Generator
) -> np.ndarray:
    """Labels of which one in ten is wrong, and more for the planted cause."""
    chance = np.full(len(y), RATE)
    if planted == "annotator":
        chance[columns["annotator"] == f"a{BAD:02}"] *= TIMES
    wrong = rng.random(len(y)) < chance
    given = np.where(wrong, (y + rng.integers(1, 10, len(y))) % 10, y)
    if planted == "month":
        swapped = (columns["month"].dt.month == MONTH).to_numpy()
        given = np.where(swapped & (y == 3), 8, np.where(swapped & (y == 8), 3, given))
    return given


def measure(planted: str, seed: int, rows: int) -> dict[str, object]:
    """Whether the cause stands first with an alarm, other alarms, and how many intervals held."""
    data = datasets.load("digits", "pixels")
    splits = list(data.splits.values())
    X = np.concatenate([split.X for split in splits])[:rows]
    y = np.concatenate([split.y for split in splits])[:rows]
    rng = np.random.default_rng(seed)
    columns = columns_of(len(y), rng)
    given = wrong_labels(y, columns, planted, rng)
    found = doubt_by_metadata(audit_labels(X, given, probe=False), columns)
    cause = {"annotator": f"a{BAD:02}", "month": f"2024-{MONTH:02}"}.get(planted, "")
    parts = columns.assign(month=columns["month"].dt.strftime("%Y-%m"))
    real = [
        int((given != y)[(parts[line.column] == line.value).to_numpy()].sum())
        for line in found.itertuples()
    ]
    first = found.iloc[0]
    others = found[found["value"] != cause]
    return {
        "planted": planted or "nothing",
        "found": bool(first["alarm"] and first["value"] == cause),
        "alarms elsewhere": int(others["alarm"].sum()),
        "intervals held": int(((found["low"] <= real) & (real <= found["high"])).sum()),
        "lines": len(found),
        "estimated": round(float(first["wrong"])),
        "real": real[0],
    }


def main() -> None:
    """Print how often causes were found, alarms were false and intervals held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1797)
    args = parser.parse_args()
    kinds = ("annotator", "month", "")
    lines = [measure(kind, seed, args.rows) for kind in kinds for seed in range(args.sets)]
    table = pd.DataFrame(lines)
    table["alarmed"] = table["alarms elsewhere"] > 0
    print(table.to_string(index=False))
    names = ["found", "alarmed", "intervals held", "lines"]
    print("\n" + table.groupby("planted")[names].sum().to_string())


if __name__ == "__main__":
    main()
