"""What is known of data sets by name, against the libraries that know it better."""

from typing import Any

import numpy as np
import pytest

from tests.helpers.raw_sources import torchvision_datasets
from wann_core.datasets import catalog
from wann_core.datasets.catalog import CIFAR100, ENTRIES
from wann_core.datasets.sources import human_labels
from wann_core.datasets.sources.medmnist_facts import MEDMNIST
from wann_core.errors import WannError
from wann_core.noise.patterns import compare


@pytest.fixture(scope="module")
def info() -> dict[str, Any]:
    from wann_core.torch_compat import prepare_torchvision

    prepare_torchvision()
    from medmnist import INFO

    return dict(INFO)


def test_medmnist_is_as_medmnist_says(info: dict[str, Any]) -> None:
    single = {"multi-class", "binary-class", "ordinal-regression"}
    flat = {
        flag: facts
        for flag, facts in info.items()
        if not flag.endswith("3d") and facts["task"].split(",")[0] in single
    }
    assert set(MEDMNIST) == set(flat)
    for flag, facts in flat.items():
        names = tuple(facts["label"][str(i)] for i in range(len(facts["label"])))
        for size in (28, 64, 128, 224):
            entry = ENTRIES[flag if size == 224 else f"{flag}_{size}"]
            assert f"url_{size}".removesuffix("_28") in facts
            assert entry.class_names == names
            assert dict(entry.rows) == facts["n_samples"]
            assert entry.license == facts["license"]
            assert facts["python_class"] in entry.title
            assert f"{size} px" in entry.title


def test_torchvisions_class_names() -> None:
    datasets = torchvision_datasets()
    classes = [name.split(" - ")[0] for name in datasets.MNIST.classes]
    assert list(ENTRIES["mnist"].class_names) == classes
    assert list(ENTRIES["fashion-mnist"].class_names) == datasets.FashionMNIST.classes


def test_cifar100_classes_are_in_alphabetical_order() -> None:
    assert len(set(CIFAR100)) == 100
    assert list(CIFAR100) == sorted(CIFAR100)
    assert CIFAR100[23] == "cloud"
    assert CIFAR100[99] == "worm"


def test_every_entry_is_complete() -> None:
    for name, entry in ENTRIES.items():
        assert entry.name == name
        assert entry.title and entry.license and entry.home.startswith("http")
        assert len(set(entry.class_names)) == len(entry.class_names) >= 2
        assert min(entry.rows.values()) > 0
        assert "train" in entry.rows and "test" in entry.rows
        assert entry.downloads == (entry.source in ("torchvision", "medmnist"))
        assert bool(entry.way) != entry.downloads


def test_what_is_noisy_by_itself() -> None:
    noisy = {name for name in ENTRIES if catalog.is_noisy(name)}
    human = {f"{n}/{c}" for n, columns in catalog.HUMAN_LABELS.items() for c in columns}
    assert len(human) == 6
    assert noisy == {"animal-10n", *human}
    assert not catalog.is_noisy("photos")
    for name in human:
        assert human_labels.base(name) == name.partition("-n/")[0]
        assert ENTRIES[name].class_names == ENTRIES[human_labels.base(name)].class_names
    assert "CIFAR-10_human.pt" in ENTRIES["cifar10-n/aggre_label"].way
    assert "CIFAR-100_human.pt" in ENTRIES["cifar100-n/noisy_label"].way


def test_unknown_names_are_reported() -> None:
    with pytest.raises(WannError, match="known data set or a folder of images, got 'cifar'"):
        catalog.lookup("cifar")


def test_noise_between_two_labelings() -> None:
    clean, given = np.array([0, 0, 0, 0, 1, 1, 3]), np.array([0, 0, 0, 2, 1, 0, 3])
    found = compare(clean, given, 4)
    assert found.ratio == 2 / 7
    assert np.array_equal(found.labels, given)
    # A class without rows keeps its label.
    expected = [[0.75, 0, 0.25, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert found.transition_matrix.tolist() == expected
