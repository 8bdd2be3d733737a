"""Tables of docs/results.md, made of kept runs; see `docs.make_results`."""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from scipy.stats import kendalltau, rankdata

from wann_core.typing import Array

Run = dict[str, Any]
DRAWS, SEED = 1000, 0
# Differences that docs/results.md asks about: a method, and what it is held against.
PAIRS = (
    ("WANN", "kNN-11"),
    ("WANN", "kNN-51"),
    ("WANN", "distance-kNN"),
    ("WANN", "ce"),
    ("WANN", "logreg"),
)
NEW_PAIRS = (
    ("logreg_posterior", "logreg"),
    ("logreg_posterior", "logreg_reliability"),
    ("logreg_posterior", "gce"),
    ("co_teaching", "ce"),
    ("co_teaching", "gce"),
    ("co_teaching", "logreg"),
)


def by_condition(runs: Iterable[Run], rows: str) -> dict[tuple[str, ...], dict[str, Array]]:
    """Which test rows were right, (seeds, m), by condition and method.

    A condition is (features, labels). Methods are compared on the seeds that all of them have, but
    for one that no seed changes, whose single run stands for all.
    """
    found: dict[tuple[str, ...], dict[str, dict[int, Array]]] = {}
    for run in runs:
        if run["rows"] == rows:
            place = source_of(run), run["labels"]
            found.setdefault(place, {}).setdefault(run["method"], {})[run["seed"]] = run["right"]
    return {place: _on_common_seeds(methods) for place, methods in found.items()}


def _on_common_seeds(methods: dict[str, dict[int, Array]]) -> dict[str, Array]:
    drawn = [set(seeds) for seeds in methods.values() if len(seeds) > 1]
    common = set.intersection(*drawn) if drawn else set()
    return {
        method: np.stack(
            [seeds[seed] for seed in sorted(seeds) if len(seeds) == 1 or seed in common]
        )
        for method, seeds in methods.items()
    }


def source_of(run: Run) -> str:
    """Its backbone, or the data set where there is none."""
    return str(run["data"] if run["backbone"] == "pixels" else run["backbone"])


def difference(a: Array, b: Array) -> tuple[float, float, float]:
    """Mean difference of two accuracies, and its 95 % interval, in percentage points.

    Parameters
    ----------
    a, b : ndarray of shape (S, m), bool
        Which test rows two methods got right, seed by seed; a single seed stands for all.

    Notes
    -----
    Test rows and seeds are drawn again, each with replacement and independently of the other
    (Owen, The pigeonhole bootstrap, Annals of Applied Statistics 2007). Each method is measured on
    the rows and labels of the other, so that what both find hard cancels out.
    """
    a, b = np.broadcast_arrays(a, b)
    gaps = a.astype(np.float32) - b
    seeds, rows = gaps.shape
    means = ((_drawn(rows, SEED) @ gaps.T) * _drawn(seeds, SEED + 1)).sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return 100 * float(gaps.mean()), 100 * float(low), 100 * float(high)


@functools.lru_cache(maxsize=8)
def _drawn(n: int, seed: int) -> Array:
    """How often each of n is drawn in each draw with replacement, over n; shape (DRAWS, n)."""
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), DRAWS)
    return np.asarray(counts / n, np.float32)


def accuracy_table(rows: str) -> Callable[[Sequence[Run]], str]:
    """Markdown of all accuracies at a number of training rows, backbones side by side."""

    def make(runs: Sequence[Run]) -> str:
        cases = by_condition(runs, rows)
        if not cases:
            return "Not measured yet."
        wrong = mean_wrong(runs, rows)
        methods = list(dict.fromkeys(method for one in cases.values() for method in one))
        lines = [
            f"| labels | features | wrong | seeds | {' | '.join(methods)} |",
            f"|---|---|---|---|{'---|' * len(methods)}",
        ]
        for source, labels in sorted(cases, key=lambda place: _order(cases, place)):
            found = cases[source, labels]
            best = max(found, key=lambda method: found[method].mean())
            seeds = str(max(len(one) for one in found.values()))
            cells = [labels, source, f"{100 * wrong[source, labels]:.1f} %", seeds]
            for method in methods:
                if method not in found:
                    cells.append("–")
                    continue
                text = f"{100 * found[method].mean():.1f}"
                alike = method == best or difference(found[method], found[best])[2] >= 0
                cells.append(f"**{text}**" if alike else text)
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    return make


def pair_table(pairs: Sequence[tuple[str, str]], sizes: Sequence[str]) -> Callable[..., str]:
    """Markdown of paired differences, condition by condition."""

    def make(runs: Sequence[Run]) -> str:
        heads = [f"{a} − {b}" for a, b in pairs]
        lines = [
            f"| rows | labels | features | {' | '.join(heads)} |",
            f"|---|---|---|{'---|' * len(pairs)}",
        ]
        counts = {pair: [0, 0, 0] for pair in pairs}
        for rows in sizes:
            cases = by_condition(runs, rows)
            for source, labels in sorted(cases, key=lambda place: _order(cases, place)):
                found, cells = cases[source, labels], []
                for a, b in pairs:
                    if a not in found or b not in found:
                        cells.append("–")
                        continue
                    gap, low, high = difference(found[a], found[b])
                    place = 0 if low > 0 else 2 if high < 0 else 1
                    counts[a, b][place] += 1
                    text = f"{gap:+.1f} ({low:+.1f} to {high:+.1f})"
                    cells.append((f"**{text}**", text, f"_{text}_")[place])
                lines.append(f"| {rows} | {labels} | {source} | {' | '.join(cells)} |")
        said = "; ".join(
            f"{a} against {b} ahead in {won}, level in {even}, behind in {lost}"
            for (a, b), (won, even, lost) in counts.items()
        )
        return "\n".join([*lines, "", f"{said}."])

    return make


def order_table(runs: Sequence[Run]) -> str:
    """Markdown: how much the order of the methods depends on the backbone."""
    cases = by_condition(runs, "5,000")
    sources = list(dict.fromkeys(source for source, _ in cases))
    methods = list(dict.fromkeys(method for one in cases.values() for method in one))
    ranks: dict[str, list[Array]] = {}
    for (source, _), found in cases.items():
        if len(found) == len(methods):
            ranks.setdefault(source, []).append(rankdata([-found[m].mean() for m in methods]))
    lines = [
        f"| features | {' | '.join(methods)} |",
        f"|---|{'---|' * len(methods)}",
        *(
            f"| {source} | {' | '.join(f'{rank:.1f}' for rank in np.mean(own, axis=0))} |"
            for source, own in ranks.items()
        ),
    ]
    first, second = sources[:2] if len(sources) > 1 else (sources * 2)[:2]
    common = [labels for source, labels in cases if source == first and (second, labels) in cases]
    if not common:
        return "\n".join(lines)
    taus, turned, apart = [], [], 0
    for labels in common:
        one, other = cases[first, labels], cases[second, labels]
        both = [method for method in methods if method in one and method in other]
        taus.append(
            kendalltau(*([found[m].mean() for m in both] for found in (one, other))).statistic
        )
        for i, a in enumerate(both):
            for b in both[:i]:
                signs = [_sign(found[a], found[b]) for found in (one, other)]
                apart += 0 not in signs
                if signs[0] * signs[1] < 0:
                    turned.append(
                        f"{labels}: {a if signs[0] > 0 else b} before {b if signs[0] > 0 else a}"
                    )
    lines += [
        "",
        f"Kendall's τ between the orders under {first} and {second}: {np.median(taus):.2f} in the "
        f"median of {len(common)} conditions, {min(taus):.2f} to {max(taus):.2f}. Of {apart} pairs "
        f"of methods that both distinguish, {len(turned)} stand the other way round"
        + (f" ({first} first; {'; '.join(turned)})." if turned else "."),
    ]
    return "\n".join(lines)


def seconds_table(runs: Sequence[Run]) -> str:
    """Markdown: median seconds of a run on 5,000 rows, by features."""
    chosen = [run for run in runs if run["rows"] == "5,000"]
    methods = list(dict.fromkeys(run["method"] for run in chosen))
    lines = [f"| features | {' | '.join(methods)} |", f"|---|{'---|' * len(methods)}"]
    for source in dict.fromkeys(source_of(run) for run in chosen):
        own = [run for run in chosen if source_of(run) == source]
        cells = [
            f"{np.median([run['seconds'] for run in own if run['method'] == method]):.2g}"
            for method in methods
        ]
        lines.append(f"| {source} | {' | '.join(cells)} |")
    return "\n".join(lines)


def mean_wrong(runs: Iterable[Run], rows: str) -> dict[tuple[str, str], float]:
    """Mean share of wrong labels by condition."""
    found: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        if run["rows"] == rows:
            found.setdefault((source_of(run), run["labels"]), []).append(run["wrong"])
    return {place: float(np.mean(values)) for place, values in found.items()}


def _sign(a: Array, b: Array) -> int:
    """1 or -1 where the interval of the difference is on one side of 0."""
    _, low, high = difference(a, b)
    return int(low > 0) - int(high < 0)


def _order(cases: dict[tuple[str, ...], Any], place: tuple[str, ...]) -> tuple[bool, int, int]:
    """The labels of a backbone stand beside those of the other; MNIST comes last."""
    labels = list(dict.fromkeys(name for _, name in cases))
    sources = list(dict.fromkeys(source for source, _ in cases))
    return place[0] == "mnist", labels.index(place[1]), sources.index(place[0])


TABLES: dict[str, Callable[[Sequence[Run]], str]] = {
    "accuracy of 5,000": accuracy_table("5,000"),
    "accuracy of 500": accuracy_table("500"),
    "accuracy of all": accuracy_table("all"),
    "order": order_table,
    "WANN against others": pair_table(PAIRS, ("5,000", "500", "all")),
    "new methods against others": pair_table(NEW_PAIRS, ("5,000", "500")),
    "seconds": seconds_table,
}
