"""A plug-in of two neighbor votes: WANN_PLUGINS=examples/neighbor_methods.py."""

import wann_core as wann

wann.register_method(
    "distance-kNN",
    lambda seed: wann.BelievedNeighborsClassifier(belief=0),
    title="51 neighbors, nearer ones weighing more",
)
wann.register_method(
    "believed-kNN",
    lambda seed: wann.BelievedNeighborsClassifier(),
    title="51 neighbors, weighed by distance and belief in their labels",
)
