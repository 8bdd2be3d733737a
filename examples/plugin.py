"""A plug-in of one method, one noise pattern and one loss: WANN_PLUGINS=examples/plugin.py."""

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

import wann_core as wann


def pair_flip(labels, ratio, rng, n_classes, X):
    """Move a share of the labels to the next class."""
    wrong = rng.random_sample(len(labels)) < ratio
    return np.where(wrong, (labels + 1) % n_classes, labels)


def brier(logits, labels, weight):
    """Squared distance of the probabilities from the one-hot label, one value a row."""
    p = logits.softmax(dim=1)
    p_y = p.gather(1, labels[:, None])[:, 0]
    return weight * ((p**2).sum(dim=1) - 2 * p_y + 1)


wann.register_method(
    "extra-trees",
    lambda seed: ExtraTreesClassifier(random_state=seed),
    title="extremely randomized trees",
    reference="Geurts, Ernst and Wehenkel, Machine Learning 2006",
)
wann.register_noise("pair", pair_flip, title="Pair flip")
wann.register_loss("brier", brier, parameters={"weight": 1.0}, title="Brier score")
