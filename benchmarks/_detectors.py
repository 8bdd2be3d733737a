"""Published detectors of wrong labels, each by its paper, on frozen features.

What they train is a linear probe on z-scored rows. A detector takes a `Case` and returns a score a
row, low for doubtful ones, and the rows that it lists, or None where it has no cut.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_ensemble_scores, get_label_quality_scores
from sklearn.mixture import GaussianMixture

from wann_core.audit.judging.evidence import Evidence
from wann_core.audit.scores import score_labels

SEED = 7
EPOCHS, WARM_UP, RATE, BATCH = 20, 5, 1e-3, 256
# Of the Global-Local mixture: neighbors, the posterior from which a row is sure, and the fits.
LOCAL_NEIGHBORS, SURE, FITS = 20, 0.8, 10


class Case:
    """Rows under noisy labels, and what several detectors share."""

    def __init__(self, X: np.ndarray, labels: np.ndarray, evidence: Evidence) -> None:
        self.X, self.labels, self.evidence = X, labels, evidence
        self.rows, self.n_classes = np.arange(len(X)), evidence.n_classes

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Out-of-fold probabilities of logistic regression."""
        return np.asarray(self.evidence.probe_shares, np.float64)

    @cached_property
    def cosines(self) -> tuple[np.ndarray, np.ndarray]:
        """Neighbors of each row, and their cosines to it."""
        X = self.X / np.linalg.norm(self.X, axis=1, keepdims=True)
        ids = self.evidence.ids
        return ids, np.stack([(X * X[ids[:, j]]).sum(axis=1) for j in range(ids.shape[1])], axis=1)

    def train(self, labels: np.ndarray, n_classes: int, beta: float = 0.0) -> list[np.ndarray]:
        """Log-probabilities of a linear probe after each epoch; with CORES²'s regularizer if asked.

        The regularizer, minus `beta` times the mean cross-entropy under the labels' distribution,
        is there after the warm-up.
        """
        torch.manual_seed(SEED)
        X, y = torch.from_numpy(self.X), torch.from_numpy(labels)
        prior = torch.bincount(y, minlength=n_classes) / len(y)
        model = torch.nn.Linear(X.shape[1], n_classes)
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE)
        kept, found = torch.ones(len(y), dtype=torch.bool), []
        for epoch in range(EPOCHS):
            order = torch.randperm(len(y))
            order = order[kept[order]]
            for part in order.split(BATCH):
                logs = torch.log_softmax(model(X[part]), 1)
                loss = -logs[torch.arange(len(part)), y[part]].mean()
                if epoch >= WARM_UP:
                    loss = loss + beta * (logs * prior).sum(1).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                logs = torch.log_softmax(model(X), 1)
            if beta and epoch >= WARM_UP:
                # The sieve: rows whose loss exceeds the mean loss of all labels.
                kept = logs[torch.arange(len(y)), y] >= logs.mean(1)
            found.append(logs.numpy())
        return found


def aum(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Area under the margin, cut at the 99th percentile of rows given to a class that is none."""
    n, fake = len(case.labels), case.n_classes
    parts = np.array_split(np.random.RandomState(SEED).permutation(n), fake + 1)[:2]
    score, listed = np.empty(n), np.empty(n, bool)
    # Two probes, so that each row is scored by one that had its own label.
    for part, scored in zip(parts, (np.setdiff1d(case.rows, parts[0]), parts[0]), strict=True):
        labels = case.labels.copy()
        labels[part] = fake
        margins = np.zeros(n)
        for logs in case.train(labels, fake + 1):
            own = logs[case.rows, labels]
            others = logs.copy()
            others[case.rows, labels] = -np.inf
            margins += (own - others.max(axis=1)) / EPOCHS
        score[scored] = margins[scored]
        listed[scored] = margins[scored] <= np.percentile(margins[part], 99)
    return score, listed


def cores(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """CORES²: cross-entropy above its mean over all labels, after training with its sieve."""
    logs = case.train(case.labels, case.n_classes, beta=2.0)[-1]
    score = logs[case.rows, case.labels] - logs.mean(axis=1)
    return score, score < 0


def confident_learning(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """List by cleanlab (pruned by noise rate), ranked by normalized margin."""
    score = get_label_quality_scores(case.labels, case.probabilities, method="normalized_margin")
    return score, find_label_issues(case.labels, case.probabilities)


def cleanlab_default(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """The same list, ranked by self-confidence."""
    return get_label_quality_scores(case.labels, case.probabilities), confident_learning(case)[1]


def cleanlab_ensemble(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Ensemble by cleanlab of logistic regression, discriminant and vote of 10 neighbors."""
    votes = np.eye(case.n_classes)[case.labels[case.evidence.ids[:, :10]]].mean(axis=1)
    three = [case.probabilities, np.asarray(case.evidence.discriminant_shares, np.float64), votes]
    score = get_label_quality_ensemble_scores(case.labels, three, verbose=False)
    return score, find_label_issues(case.labels, np.mean(three, axis=0))


def deep_knn(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Deep k-NN: share of the given label among 51 neighbors, cut where another has more."""
    votes = np.eye(case.n_classes)[case.labels[case.evidence.ids]].mean(axis=1)
    return votes[case.rows, case.labels], votes.argmax(axis=1) != case.labels


def simifeat(name: str) -> Callable[[Case], tuple[np.ndarray, np.ndarray]]:
    """SimiFeat's vote or rank."""

    def detect(case: Case) -> tuple[np.ndarray, np.ndarray]:
        score = score_labels(case.evidence, name)
        return score, score < 0.5

    return detect


def fine(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """FINE: squared alignment with the class's first direction, cut by two Gaussians a class."""
    X = case.X / np.linalg.norm(case.X, axis=1, keepdims=True)
    score, listed = np.zeros(len(X)), np.zeros(len(X), bool)
    for c in range(case.n_classes):
        rows = np.flatnonzero(case.labels == c)
        direction = np.linalg.svd(X[rows].T @ X[rows])[0][:, 0]
        score[rows] = (X[rows] @ direction) ** 2
        mixture = GaussianMixture(2, random_state=SEED).fit(score[rows, None])
        clean = mixture.predict_proba(score[rows, None])[:, mixture.means_[:, 0].argmax()]
        score[rows], listed[rows] = clean, clean < 0.5
    return score, listed


def global_local(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Global-Local mixture of FMLNL: sure rows by prototypes, the others by their neighbors.

    As the authors describe it (github.com/SenyuHou/FMLNL): cosine to the prototype of the given
    class (mean of its rows of length 1) less that to the nearest other prototype; two Gaussians on
    that margin, of which a posterior of 0.8 makes a row clean or noisy; two more on the share of
    the given label among the 20 nearest rows by cosine, fitted to the rows left, cut at 0.5; at the
    median where these are fewer than 50 or all alike.

    Of ours: rows are z-scored before they have length 1, as for every detector here; neighbors are
    the 20 of largest cosine among the 51 nearest by distance; and the ranking, as the authors only
    list rows: the clean posterior of sure rows, that of the others between 0.2 and 0.8.
    """
    X = case.X / np.linalg.norm(case.X, axis=1, keepdims=True)
    prototypes = np.eye(case.n_classes, dtype=np.float32)[case.labels].T @ X
    # A class that no label names has a prototype of length 0.
    prototypes /= np.maximum(np.linalg.norm(prototypes, axis=1, keepdims=True), 1e-12)
    cosines = X @ prototypes.T
    own = cosines[case.rows, case.labels]
    cosines[case.rows, case.labels] = -np.inf
    score = clean_posterior(own - cosines.max(axis=1))
    ids, near = case.cosines
    nearest = np.argsort(-near, axis=1, kind="stable")[:, :LOCAL_NEIGHBORS]
    voters = np.take_along_axis(ids, nearest, axis=1)
    agreement = (case.labels[voters] == case.labels[:, None]).mean(axis=1)
    left = (score > 1 - SURE) & (score < SURE)
    listed = score <= 1 - SURE
    if left.any():
        values = agreement[left]
        if left.sum() < 50 or len(np.unique(values)) < 2:
            local = (values >= np.median(values)).astype(float)
        else:
            local = clean_posterior(values)
        listed[left] = local <= 0.5
        score[left] = 1 - SURE + (2 * SURE - 1) * local
    return score, listed


def clean_posterior(values: np.ndarray) -> np.ndarray:
    """Posterior of the upper one of two Gaussians on some values, shape (n,)."""
    mixture = GaussianMixture(2, n_init=FITS, random_state=SEED).fit(values[:, None])
    upper = mixture.means_[:, 0].argmax()
    return np.asarray(mixture.predict_proba(values[:, None])[:, upper])


def relation_graph(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Neural relation graph on the 51 neighbors: ±cosine⁴ and likeness of the probabilities."""
    ids, cosines = case.cosines
    alike = np.stack(
        [
            (case.probabilities * case.probabilities[ids[:, j]]).sum(axis=1)
            for j in range(ids.shape[1])
        ],
        axis=1,
    )
    weights = np.maximum(cosines, 0) ** 4 * alike
    relation = np.where(case.labels[ids] == case.labels[:, None], weights, -weights)
    noisy = np.zeros(len(ids), bool)
    for _ in range(3):
        score = np.where(noisy[ids], -relation, relation).sum(axis=1)
        noisy = score < 0
    return score, noisy


def selfclean(case: Case) -> tuple[np.ndarray, np.ndarray | None]:
    """SelfClean: nearest row of another label over both nearest distances, squared; no cut."""
    ids, cosines = case.cosines
    same = case.labels[ids] == case.labels[:, None]
    far = 1 - cosines.min(axis=1)
    within = np.where(same, 1 - cosines, far[:, None]).min(axis=1) ** 2
    between = np.where(same, far[:, None], 1 - cosines).min(axis=1) ** 2
    return between / np.maximum(within + between, 1e-12), None


def ours(probe: bool) -> Callable[[Case], tuple[np.ndarray, np.ndarray]]:
    """Score combined, as many as are estimated to be wrong."""

    def detect(case: Case) -> tuple[np.ndarray, np.ndarray]:
        evidence = case.evidence
        if not probe:
            evidence = Evidence(evidence.graph, case.labels, case.n_classes, X=case.X)
        score = score_labels(evidence, "combined")
        listed = np.zeros(len(score), bool)
        listed[np.argsort(score, kind="stable")[: evidence.noise.count]] = True
        return score, listed

    return detect


# Those that need no probe, and those that do.
WITHOUT: dict[str, Callable[[Case], tuple[np.ndarray, np.ndarray | None]]] = {
    "ours, without probe": ours(False),
    "SimiFeat-V": simifeat("simifeat_v"),
    "SimiFeat-R": simifeat("simifeat_r"),
    "deep k-NN": deep_knn,
    "FINE": fine,
    "Global-Local GMM (FMLNL)": global_local,
    "SelfClean": selfclean,
}
WITH: dict[str, Callable[[Case], tuple[np.ndarray, np.ndarray | None]]] = {
    "ours, with probe": ours(True),
    "confident learning, margin": confident_learning,
    "confident learning, self-confidence": cleanlab_default,
    "cleanlab ensemble": cleanlab_ensemble,
    "AUM": aum,
    "CORES²": cores,
    "relation graph": relation_graph,
}
