"""Logs of the published scripts, and of the commands here, as runs of the results store."""

import json
import re
from collections.abc import Mapping
from typing import Any

from wann_core.errors import WannError
from wann_core.experiments.probe_runs import parameters_of
from wann_core.experiments.records import scenario_of, scenario_record
from wann_core.experiments.scenario import Scenario
from wann_core.methods.probes import LOSSES
from wann_core.methods.registry import METHODS

MOST_BYTES = 1 << 20
_SEED = re.compile(r"_s(\d{1,10})(?:_[^/\\]*)?\.json$")
_ROWS = re.compile(r"^_(\d{1,9})samples(?=_)")
# Scores that the commands here write besides, in percent.
_SCORES = ("balanced_accuracy", "macro_f1")


def read_log(name: str, content: bytes) -> tuple[Scenario, dict[str, Any]]:
    """Read one JSON log into a scenario and its record.

    The published scripts write seed and subsample into the name of the log alone. Their noise is
    drawn as published, their embeddings are z-scored, their probes trained as published.

    Parameters
    ----------
    name : str
        Name of the file, such as 'cifar10_1000samples_WANN_sym-0.4_s42.json'; only read as text.
    content : bytes

    Raises
    ------
    WannError
        If it is not such a log.

    References
    ----------
    `run_knn.py` and `run_linear_inference.py` of Di Salvo et al., TMLR 2025.
    """
    try:
        if len(content) > MOST_BYTES:
            raise WannError(f"it is larger than {MOST_BYTES >> 20} MiB")
        log = json.loads(content.decode("utf-8-sig"))
        if not isinstance(log, dict):
            raise WannError("it holds no JSON object")
        accuracy = _number(log, "accuracy", 0, 100)
        scenario = _scenario(name, log)
        if scenario.method in LOSSES:
            parameters_of(scenario)
        record = {
            **scenario_record(scenario),
            "method_name": scenario.method_name,
            "accuracy": accuracy / 100,
            "log": name[:200],
        }
        there = {key for key, value in log.items() if value is not None}
        for key in (one for one in _SCORES if one in there):
            record[key] = _number(log, key, 0, 100) / 100
        for key in (one for one in ("train_rows", "test_rows") if one in there):
            record[key] = int(_number(log, key, 0, 1e12))
    except (ValueError, RecursionError) as error:
        reason = str(error).rstrip(".")
        raise WannError(f"{name[:120]!r} is not a log of a run: {reason}.") from error
    return scenario, record


def _scenario(name: str, log: Mapping[str, Any]) -> Scenario:
    if isinstance(log.get("scenario"), dict):
        _text(log["scenario"], "dataset"), _text(log["scenario"], "backbone")
        return scenario_of(log["scenario"])
    dataset = _text(log, "dataset")
    # The name begins with the data set's, which may look like a tag itself.
    tags = name.removeprefix(dataset.replace("/", "-"))
    seed = _SEED.search(tags)
    if seed is None:
        raise WannError("its name does not end in the seed, as in …_s42.json")
    rows = _ROWS.search(tags)
    # The published linear script misspells the key.
    noise = log.get("artificial_noise", log.get("arificial_noise"))
    if not isinstance(noise, dict):
        raise WannError("`artificial_noise` is missing")
    pattern = _optional(noise, "pattern")
    imbalance = log.get("imbalance_ratio")
    fields: dict[str, Any] = {
        "dataset": dataset,
        "backbone": _text(log, "backbone"),
        "seed": int(seed[1]),
        "num_subsamples": int(rows[1]) if rows else None,
        "noise_pattern": pattern,
        "noise_ratio": _number(noise, "rate", 0, 1) if pattern else 0.0,
        "imbalance_ratio": None if imbalance is None else _number(log, "imbalance_ratio", 0, 1),
        "reduction": _optional(log, "dimensionality_reduction"),
    }
    method = _text(log, "loss" if "loss" in log else "method")
    k = log.get("k")
    if method == "kNN":
        fields["k"] = k
    elif method in METHODS:
        if not isinstance(k, list) or len(k) != 2:
            raise WannError(f"`k` must be [k_min, k_max], got {k!r}")
        fields |= {"k_min": k[0], "k_max": k[1]}
    return Scenario(**fields, method=method)


def _text(log: Mapping[str, Any], key: str) -> str:
    value = log.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        raise WannError(f"`{key}` must be a text of one line, got {str(value)[:80]!r}")
    return value


def _optional(log: Mapping[str, Any], key: str) -> str | None:
    return None if log.get(key) in (None, "None") else _text(log, key)


def _number(log: Mapping[str, Any], key: str, low: float, high: float) -> float:
    value: Any = log.get(key)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        raise WannError(
            f"`{key}` must be a number between {low:g} and {high:g}, got {str(value)[:80]!r}"
        )
    return float(value)
