"""A small audit of partitions as `wann audit --cluster` writes it, without a cluster."""

from pathlib import Path

import numpy as np

from wann_core.audit.sharded.output import (
    most_doubtful,
    partition_names,
    result_name,
    table_of,
    write_doubtful,
    write_part,
    write_summary,
)
from wann_core.audit.sharded.parts import Part

CLASSES = ["cat", "dog", "=owl"]
SOURCES = ("rows/a.parquet", "rows/b.parquet")


def write_result(folder: Path, rows: int = 6, sources: tuple[str, ...] = SOURCES) -> Path:
    """Partitions of as many rows each; label i of partition p is doubted more as p + 2 i falls."""
    folder.mkdir(parents=True)
    best = []
    for number, name in enumerate(partition_names(sources)):
        place = np.arange(rows)
        part = Part(
            X=np.zeros((rows, 2), np.float32),
            labels=place % 3,
            class_names=tuple(CLASSES),
            rows=place,
            names=[f"{name[0]}{i}.jpg" for i in place],
            left_out=0,
        )
        score = (2 * place + number) / (2 * rows + 1)
        columns = {
            "predicted_label_id": np.where(place % 2, place % 3, (place + 1) % 3),
            "label_score": score,
            "is_label_issue": score < 0.3,
            "adaptive_k": np.full(rows, 11),
            "given_share": score,
            "predicted_share": 1 - score,
            "same_class_distance": np.ones(rows),
            "near_duplicate_group": np.full(rows, -1),
            "near_duplicate_conflict": np.zeros(rows, bool),
            "outlier_score": np.full(rows, 0.5),
            "judgeable": np.ones(rows, bool),
        }
        table = table_of(part, part.labels, columns, CLASSES)
        best.append(write_part(str(folder), number, name, table))
    doubtful = write_doubtful(str(folder), most_doubtful(best))
    summary = {
        "labels": rows * len(sources),
        "wrong": 4,
        "wrong_low": 2,
        "wrong_high": 5,
        "rate": 4 / (rows * len(sources)),
        "not_judged": 0,
        "trust": "sound",
        "warnings": [],
        "notes": [],
        "search": "exact",
        "class_names": CLASSES,
        "rates_of_classes": [0.1] * 3,
        "doubtful": doubtful,
        "left_out": 0,
        "partitions": [
            {"source": source, "name": name, "result": result_name(i), "rows": rows}
            for i, (source, name) in enumerate(zip(sources, partition_names(sources), strict=True))
        ],
    }
    write_summary(str(folder), summary)
    return folder
