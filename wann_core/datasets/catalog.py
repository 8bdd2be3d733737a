"""The data sets that are known by name: what they hold, whose they are, where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wann_core.datasets.dataset import LABELED
from wann_core.datasets.sources.medmnist_facts import MEDMNIST
from wann_core.errors import WannError

MEDMNIST_SIZES = (28, 64, 128, 224)


@dataclass(frozen=True)
class Entry:
    """One known data set.

    Attributes
    ----------
    name : str
        As in `Scenario.dataset`.
    title : str
    source : {'digits', 'torchvision', 'medmnist', 'animal-10n', 'human labels'}
        Which loader reads it.
    class_names : tuple of str, length C
    rows : mapping of str to int
        Images of each split.
    license, home : str
        As far as its authors state one; address of its page.
    downloads : bool
        Whether it can be downloaded from here; else `way` describes how to get it.
    way : str
    noisy : bool
        Whether its labels hold wrong ones by themselves.
    """

    name: str
    title: str
    source: str
    class_names: tuple[str, ...]
    rows: Mapping[str, int]
    license: str
    home: str
    downloads: bool = True
    way: str = ""
    noisy: bool = False


CIFAR10 = tuple("airplane automobile bird cat deer dog frog horse ship truck".split())
CIFAR100 = tuple(
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
    "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch "
    "crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo "
    "keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse "
    "mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy "
    "porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper "
    "snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television "
    "tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm".split()
)
_DIGITS = tuple("0123456789")
_FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_ANIMALS = (
    "cat",
    "lynx",
    "wolf",
    "coyote",
    "cheetah",
    "jaguar",
    "chimpanzee",
    "orangutan",
    "hamster",
    "guinea pig",
)
_CIFAR_HOME = "https://www.cs.toronto.edu/~kriz/cifar.html"
_UNSTATED = "not stated"

HUMAN_LABELS = {
    "cifar10-n": ("aggre_label", "worse_label", "random_label1", "random_label2", "random_label3"),
    "cifar100-n": ("noisy_label",),
}
_CIFAR_N_HOME = "http://noisylabels.com"


def _entries() -> list[Entry]:
    big, cifar = {"train": 60_000, "test": 10_000}, {"train": 50_000, "test": 10_000}
    entries = [
        Entry(
            "digits",
            "Handwritten digits of scikit-learn",
            "digits",
            _DIGITS,
            {"train": 1200, "test": 597},
            "CC BY 4.0",
            "https://archive.ics.uci.edu/dataset/80",
            downloads=False,
            way="It is built in.",
        ),
        Entry(
            "mnist",
            "MNIST",
            "torchvision",
            _DIGITS,
            big,
            "CC BY-SA 3.0",
            "http://yann.lecun.com/exdb/mnist/",
        ),
        Entry(
            "fashion-mnist",
            "Fashion-MNIST",
            "torchvision",
            _FASHION,
            big,
            "MIT",
            "https://github.com/zalandoresearch/fashion-mnist",
        ),
        Entry("cifar10", "CIFAR-10", "torchvision", CIFAR10, cifar, _UNSTATED, _CIFAR_HOME),
        Entry("cifar100", "CIFAR-100", "torchvision", CIFAR100, cifar, _UNSTATED, _CIFAR_HOME),
    ]
    for base, columns in HUMAN_LABELS.items():
        names = CIFAR10 if base == "cifar10-n" else CIFAR100
        plain = base.removesuffix("-n").replace("cifar", "CIFAR-")
        entries += [
            Entry(
                f"{base}/{column}",
                f"{plain}N, {column}",
                "human labels",
                names,
                cifar,
                "CC BY-NC 4.0",
                _CIFAR_N_HOME,
                downloads=False,
                way=f"It needs embeddings of {base[:-2]} and the file "
                f"{plain}_human.pt of its home page in "
                "<data folder>/cifarn.",
                noisy=True,
            )
            for column in columns
        ]
    entries.append(
        Entry(
            "animal-10n",
            "ANIMAL-10N",
            "animal-10n",
            _ANIMALS,
            {"train": 50_000, "test": 5_000},
            _UNSTATED,
            "https://dm.kaist.ac.kr/datasets/animal-10n/",
            downloads=False,
            way="Ask for it on its home page and unpack it as <data folder>/animal-10n/"
            "{training,testing}/<label>_<id>.jpg.",
            noisy=True,
        )
    )
    for flag, (title, license, rows, names) in MEDMNIST.items():
        for size in reversed(MEDMNIST_SIZES):
            entries.append(
                Entry(
                    flag if size == 224 else f"{flag}_{size}",
                    f"{title}, {size} px",
                    "medmnist",
                    names,
                    dict(zip(LABELED, rows, strict=True)),
                    license,
                    "https://medmnist.com",
                )
            )
    return entries


ENTRIES: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _entries()})


def is_noisy(dataset: str) -> bool:
    """Whether a known data set's labels hold wrong ones by themselves."""
    return dataset in ENTRIES and ENTRIES[dataset].noisy


def lookup(dataset: str) -> Entry:
    """The entry of a known data set.

    Raises
    ------
    WannError
        If the name is not known.
    """
    if dataset not in ENTRIES:
        raise WannError(
            f"`dataset` must be a known data set or a folder of images, got {dataset!r}.",
            "dataset",
        )
    return ENTRIES[dataset]
