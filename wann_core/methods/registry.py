"""All methods, as scenarios, plans, commands and pages know them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from wann_core.methods.probes.losses.registry import ALL_LOSSES, LOSSES, refuse_vote_name
from wann_core.registry import Entry, Names, Registry

Kind = Literal["vote", "regression", "classifier"]
_PAPER = "Di Salvo et al., TMLR 2025"
_NIERM = "Zhu et al., NeurIPS 2024"


@dataclass(frozen=True, kw_only=True)
class Method(Entry):
    """A method that is not a linear probe; these are in `probes.registry`.

    Attributes
    ----------
    kind : {'vote', 'regression', 'classifier'}
        A vote of neighbors, logistic regression, or a registered classifier.
    by_adaptive_k : bool
        Whether the bounds of the adaptive k matter to it.
    chosen : bool
        Whether the Probes page offers it chosen.
    factory : callable or None
        Of a classifier; see `register_method`.
    """

    kind: Kind
    by_adaptive_k: bool = False
    chosen: bool = False
    factory: Callable[[int], Any] | None = None


ALL_METHODS: Registry[Method] = Registry(
    "method",
    (
        Method(
            name="WANN",
            title="weighted adaptive nearest neighbors",
            reference=_PAPER,
            kind="vote",
            by_adaptive_k=True,
        ),
        Method(
            name="ANN",
            title="adaptive nearest neighbors",
            reference="Sun and Huang, FSKD 2010",
            kind="vote",
            by_adaptive_k=True,
        ),
        Method(name="kNN", title="k nearest neighbors", kind="vote"),
        Method(
            name="logreg",
            title="logistic regression on all rows",
            reference=_NIERM,
            kind="regression",
            chosen=True,
        ),
        Method(
            name="logreg_reliability",
            title="logistic regression, rows weighted by their reliability",
            kind="regression",
            by_adaptive_k=True,
            chosen=True,
        ),
        Method(
            name="logreg_clean",
            title="logistic regression on rows that a neighborhood explains",
            kind="regression",
            by_adaptive_k=True,
        ),
    ),
    "method",
)
# The votes of neighbors; and what is fitted: probes by their losses, logistic regression, and the
# classifiers that were registered.
METHODS = Names(ALL_METHODS, where=lambda method: method.kind == "vote")
LOGISTIC = Names(ALL_METHODS, where=lambda method: method.kind == "regression")
CLASSIFIERS = Names(ALL_METHODS, where=lambda method: method.kind == "classifier")
TRAINED = Names(ALL_LOSSES, ALL_METHODS, where=lambda e: getattr(e, "kind", "probe") != "vote")
# The votes of every comparison.
BASELINES = ("kNN-11", "kNN-51", "ANN", "WANN")


def register_method(
    name: str,
    factory: Callable[[int], Any],
    *,
    title: str | None = None,
    reference: str = "",
) -> None:
    """Register a classifier for scenarios, plans, the command line and every page.

    It is fitted to the normalized and reduced training embeddings and their noisy labels, and
    answers for the test rows.

    Parameters
    ----------
    name : str
        As `Scenario.method` names it.
    factory : callable
        `factory(seed)` returns a new classifier as scikit-learn has them: `fit(X, y)` for X of
        shape (n, d), float32, and class ids of shape (n,), int64; `predict(X)` returns class ids.
        Where it has `predict_proba` and `classes_`, they give the confidence.
    title : str, optional
        As pages show it; by default the name.
    reference : str
        The publication that it is from.

    Raises
    ------
    WannError
        If the name cannot be one, or is taken.

    Examples
    --------
    >>> from sklearn.ensemble import ExtraTreesClassifier
    >>> register_method("extra-trees", lambda seed: ExtraTreesClassifier(random_state=seed))
    >>> "extra-trees" in CLASSIFIERS
    True
    >>> ALL_METHODS.remove("extra-trees")
    """
    refuse_vote_name(name)
    title = name if title is None else title
    ALL_METHODS.add(
        Method(name=name, title=title, reference=reference, kind="classifier", factory=factory)
    )


def method_entry(name: str) -> Entry:
    """The entry of a method or of a probe's loss.

    Raises
    ------
    KeyError
        If there is none.
    """
    return ALL_LOSSES[name] if name in LOSSES else ALL_METHODS[name]


def color_slot(name: str) -> int:
    """Position of a fitted method among the colors and marks of the pages.

    Registered ones come last, so that they change the color of nothing else.
    """
    return sorted(TRAINED, key=lambda one: method_entry(one).digest != "").index(name)


def by_adaptive_k(name: str) -> bool:
    """Whether the bounds of the adaptive k matter to a method."""
    return name in ALL_METHODS and ALL_METHODS[name].by_adaptive_k
