"""The results store as tables: runs described in a few fields, means over seeds, pairs.

Numbers are averaged over seeds and nothing else: whatever differs besides and is not shown
divides a table into several.
"""

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from wann_core.errors import WannError
from wann_core.experiments.records import scenario_of
from wann_core.experiments.scenario import Scenario
from wann_core.experiments.store import IMPORTED
from wann_core.methods.probes import LOSSES
from wann_core.methods.registry import ALL_METHODS, TRAINED, by_adaptive_k
from wann_core.noise.registry import ALL_PATTERNS
from wann_core.results.paired_tests import is_level, moments

# What, with the seed, identifies a run; texts, '' where a field does not matter to it.
FIELDS = {
    "dataset": "Data set",
    "backbone": "Backbone",
    "method": "Method",
    "noise": "Noise",
    "draw": "How noise is drawn",
    "imbalance": "Imbalance",
    "rows": "Training rows",
    "reduction": "Reduction",
    "normalization": "Normalization",
    "search": "Search of neighbors",
    "origin": "Origin",
}
MEASURED = "measured here"
# What competes for the best of a row or column; scores on two data sets do not.
_RIVALS = ("method", "reduction", "backbone", "normalization")
_USUAL = Scenario()
_SETTINGS = {
    "learning_rate": "learning rate",
    "num_epochs": "epochs",
    "batch_size": "batch",
    "patience": "patience",
    "weight_decay": "weight decay",
}


@dataclass(frozen=True, eq=False)
class Runs:
    """Described runs.

    Attributes
    ----------
    table : DataFrame
        One row a run: its record, and the columns of `FIELDS`; `seed` is text, '' where nothing is
        drawn. `method_name` stays what it was.
    replaced : int
        Older runs left out because a newer one has the same fields and seed, such as on files that
        have changed since, or by an older engine.
    unreadable : int
        Records left out because they are none of a run.
    unknown : dict of str to int
        Runs left out because their method or noise pattern is not registered here, by its name.
    """

    table: pd.DataFrame
    replaced: int
    unreadable: int
    unknown: Mapping[str, int]


def describe(records: Iterable[Mapping[str, Any]]) -> Runs:
    """The runs of `ResultsStore.records`, oldest first."""
    rows, unreadable = [], 0
    unknown: Counter[str] = Counter()
    for record in records:
        try:
            scenario = scenario_of(record).canonical()
        except WannError:
            name = _unregistered(record)
            unreadable += name is None
            unknown.update([] if name is None else [name])
            continue
        rows.append({**record, **_fields(scenario, str(record.get("source", "")))})
    table = pd.DataFrame(rows, columns=None if rows else [*FIELDS, "seed", "method_name"])
    newest = ~table.duplicated([*FIELDS, "seed"], keep="last")
    return Runs(
        table[newest].reset_index(drop=True), int((~newest).sum()), unreadable, dict(unknown)
    )


def _unregistered(record: Mapping[str, Any]) -> str | None:
    """Name of a record's method or noise pattern that is not registered here."""
    method, pattern = record.get("method"), record.get("noise_pattern")
    if isinstance(method, str) and method not in ALL_METHODS and method not in LOSSES:
        return method
    return pattern if isinstance(pattern, str) and pattern not in ALL_PATTERNS else None


def _fields(scenario: Scenario, source: str) -> dict[str, Any]:
    pattern = scenario.noise_pattern
    noise = f"{pattern} {scenario.noise_ratio:g}" if pattern else "none"
    if pattern == "matrix":
        digest = hashlib.sha256(repr(scenario.transition_matrix).encode()).hexdigest()
        noise = f"matrix {digest[:8]}"
    size = f" {scenario.reduction_size}" if scenario.reduction_size else ""
    imbalance = scenario.imbalance_ratio
    return {
        "dataset": scenario.dataset,
        "backbone": scenario.backbone,
        "method": _method(scenario),
        "noise": noise,
        "noise_pattern": pattern or "none",
        "draw": scenario.draw if pattern else "",
        "imbalance": "none" if imbalance is None else f"{imbalance:g}",
        "rows": "all" if scenario.num_subsamples is None else str(scenario.num_subsamples),
        "reduction": f"{scenario.reduction}{size}" if scenario.reduction else "none",
        "normalization": scenario.normalization,
        "search": scenario.search if scenario.uses_search else "",
        "origin": source if source.startswith(IMPORTED) else MEASURED,
        "seed": str(scenario.seed) if scenario.is_drawn else "",
    }


def _method(scenario: Scenario) -> str:
    """Name of the method with every setting that differs from the published one."""
    parts = []
    bounds = (scenario.k_min, scenario.k_max)
    if by_adaptive_k(scenario.method) and bounds != (_USUAL.k_min, _USUAL.k_max):
        parts.append("k {}–{}".format(*bounds))
    if scenario.method in LOSSES:
        for key, words in _SETTINGS.items():
            if getattr(scenario.probe, key) != getattr(_USUAL.probe, key):
                parts.append(f"{words} {getattr(scenario.probe, key):g}")
        parts += [f"{k} = {v:g}" for k, v in dict(scenario.probe.loss_parameters).items()]
    return scenario.method_name + (f" ({', '.join(parts)})" if parts else "")


def varying(table: pd.DataFrame, shown: Sequence[str]) -> list[str]:
    """Fields that differ between runs, are not shown, and so must not be averaged over."""
    return [f for f in FIELDS if f not in shown and table.loc[table[f] != "", f].nunique() > 1]


def divide(table: pd.DataFrame, shown: Sequence[str]) -> list[tuple[dict[str, str], pd.DataFrame]]:
    """Split the table into parts that differ in the seed and the shown fields only.

    Runs to which a field does not matter stand in every part.
    """
    fields = varying(table, shown)
    if not fields:
        return [({}, table)]
    whole = table[(table[fields] != "").all(axis=1)]
    parts = []
    for values in whole[fields].drop_duplicates().itertuples(index=False, name=None):
        mask = np.ones(len(table), bool)
        for field, value in zip(fields, values, strict=True):
            mask &= table[field].isin([value, ""]).to_numpy()
        parts.append((dict(zip(fields, values, strict=True)), table[mask]))
    covered = set().union(*(part.index for _, part in parts)) if parts else set()
    rest = table[~table.index.isin(covered)]
    if len(rest):
        # None of them has all fields: those that it has divide it.
        parts += [({**dict.fromkeys(fields, ""), **g}, part) for g, part in divide(rest, shown)]
    return parts


def order(values: Iterable[Hashable]) -> list[Any]:
    """Sort distinct texts, numbers in them by size: 'none', 'sym 0.2', 'sym 0.4'."""

    def words(text: Any) -> list[tuple[int, float, str]]:
        made = []
        for word in str(text).split():
            try:
                made.append((1, float(word), ""))
            except ValueError:
                made.append((0 if word in ("none",) else 2, 0.0, word))
        return made

    return sorted(dict.fromkeys(values), key=words)


@dataclass(frozen=True, eq=False)
class Pivot:
    """Means over the seeds of a score, two fields across.

    Attributes
    ----------
    rows, columns, metric : str
        Two of `FIELDS`, and the column of the score.
    part : dict of str to str
        What the runs of this table have in common that others do not.
    shared : dict of str to str
        What the runs of all tables have in common.
    cells : DataFrame
        One line a cell: `rows`, `columns`, mean, std (of n - 1; NaN for one seed), seeds (averaged
        here), all_seeds (measured), common_seeds (that all cells it is compared with have, 0 if
        they share none; its own where nothing is compared), best (of several, by the means over
        the common seeds), level (whether a paired t-test over at least three common seeds does
        not separate it from the best), unconverged (runs that ended where they began),
        realized_low and realized_high (least and largest share of wrong labels of the runs whose
        added noise is not what was asked for, such as published draws of few rows; else NaN).
    """

    rows: str
    columns: str
    metric: str
    part: dict[str, str]
    shared: dict[str, str]
    cells: pd.DataFrame

    @property
    def row_names(self) -> list[str]:
        """Row names: methods in their listed order, other values by size."""
        return self._names(self.rows)

    @property
    def column_names(self) -> list[str]:
        """Column names, in the same order."""
        return self._names(self.columns)

    def _names(self, field: str) -> list[str]:
        found = list(dict.fromkeys(self.cells[field]))
        return method_order(found) if field == "method" else order(found)

    def cell(self, row: str, column: str) -> "pd.Series[Any] | None":
        """Value of a cell; None where nothing was measured."""
        found = self.cells[(self.cells[self.rows] == row) & (self.cells[self.columns] == column)]
        return found.iloc[0] if len(found) else None


def method_order(names: Iterable[str]) -> list[str]:
    """Methods as every page lists them: votes, probes, logistic regression."""
    known = ("kNN", "ANN", "WANN", *TRAINED)

    def rank(name: str) -> tuple[int, int, str]:
        whole = name.partition(" ")[0]
        base, _, k = (whole, "", "") if whole in known else whole.partition("-")
        place = known.index(base) if base in known else len(known)
        return place, int(k) if k.isdigit() else 0, name

    return sorted(dict.fromkeys(names), key=rank)


def pivots(
    table: pd.DataFrame, rows: str, columns: str, metric: str, *, common: bool = True
) -> list[Pivot]:
    """Tables of means, one for each combination of what else differs; see `divide`.

    Parameters
    ----------
    table : DataFrame
        Of `Runs`.
    rows, columns : str
        Two of `FIELDS`.
    metric : str
        Column of the score.
    common : bool
        Average over the seeds that all compared cells have (where they have some), or each cell
        over all of its own. What is best is decided on common seeds either way.

    Raises
    ------
    WannError
        If both axes are the same field.
    """
    if rows == columns:
        raise WannError(f"rows and columns must be two fields, got {rows!r} twice.", "columns")
    scored = table[table[metric].notna()] if metric in table else table[:0]
    divided = {rows, columns, *varying(scored, (rows, columns))}
    shared = {f: str(scored[f].max()) for f in FIELDS if f not in divided and len(scored)}
    return [
        Pivot(rows, columns, metric, part, shared, _cells(runs, rows, columns, metric, common))
        for part, runs in divide(scored, (rows, columns))
        if len(runs)
    ]


def _cells(runs: pd.DataFrame, rows: str, columns: str, metric: str, common: bool) -> pd.DataFrame:
    by_seed = runs.pivot(index="seed", columns=[rows, columns], values=metric)
    failed = runs["converged"].eq(False) if "converged" in runs else pd.Series(False, runs.index)
    failures = failed.groupby([runs[rows], runs[columns]], sort=False).sum()
    order = runs[[rows, columns]].drop_duplicates(ignore_index=True)
    by_seed = by_seed[list(order.itertuples(index=False, name=None))]
    drawn = by_seed.drop(index="", errors="ignore").to_numpy(np.float64)
    fixed = np.isnan(drawn).all(axis=0)
    if not len(drawn):
        drawn = np.full((1, len(order)), np.nan)
    scores = drawn.copy()
    if fixed.any():
        # Where nothing is drawn, every seed would give the same score.
        scores[:, fixed] = by_seed.loc[""].to_numpy(np.float64)[fixed]
    there = ~np.isnan(scores)
    shared = there
    rival = next((field for field in _RIVALS if field in (rows, columns)), None)
    if rival is not None:
        across = order.groupby(rows if rival == columns else columns, sort=False).ngroup()
        lines = [np.flatnonzero(across == line) for line in range(across.max() + 1)]
        shared = np.zeros_like(there)
        for line in lines:
            shared[:, line] = there[:, line].all(axis=1, keepdims=True)
    compared = np.where(shared, scores, np.nan)
    some = shared.any(axis=0)
    mean, std, seeds = moments(np.where(some, compared, scores) if common else scores)
    own = there.sum(axis=0)
    cells = order.assign(
        mean=mean,
        std=np.where(fixed, np.nan, std),
        seeds=np.where(fixed, 1, seeds),
        all_seeds=np.where(fixed, 1, own),
        common_seeds=np.where(fixed & some, 1, shared.sum(axis=0)),
        best=False,
        level=False,
        unconverged=failures.loc[list(by_seed.columns)].to_numpy(),
    )
    cells = cells.merge(_unmet_noise(runs, rows, columns), "left", on=[rows, columns])
    if rival is None:
        return cells
    # No test of what is drawn against what is not: the seeds pair nothing.
    tested = np.where(fixed, np.nan, compared)
    ranked = moments(compared)[0]
    for line in lines:
        if some[line[0]] and len(line) > 1:
            best = ranked[line] == ranked[line].max()
            first = tested[:, line[best.argmax()]]
            cells.loc[line, "best"] = best
            cells.loc[line, "level"] = [
                not wins and is_level(first - tested[:, i])
                for i, wins in zip(line, best, strict=True)
            ]
    return cells


def _unmet_noise(runs: pd.DataFrame, rows: str, columns: str) -> pd.DataFrame:
    noise = runs.reindex(columns=["noise_note", "realised_noise"])
    unmet = noise["noise_note"].map(lambda note: isinstance(note, str) and note != "")
    share = noise["realised_noise"].where(unmet.astype(bool)).astype(float)
    ends = share.groupby([runs[rows], runs[columns]]).agg(["min", "max"]).reset_index()
    return ends.rename(columns={"min": "realized_low", "max": "realized_high"})


def pair(table: pd.DataFrame, field: str, first: str, second: str, metric: str) -> pd.DataFrame:
    """Runs that differ in one field only, side by side.

    Returns
    -------
    DataFrame
        Every other field, seed, first, second, difference (second minus first).
    """
    keys = [*(f for f in FIELDS if f != field), "seed"]
    sides = []
    for name, value in (("first", first), ("second", second)):
        side = table.loc[table[field] == value, [*keys, metric]]
        sides.append(side.rename(columns={metric: name}).dropna(subset=name))
    pairs = sides[0].merge(sides[1], on=keys, validate="one_to_one")
    return pairs.assign(difference=pairs["second"] - pairs["first"])
