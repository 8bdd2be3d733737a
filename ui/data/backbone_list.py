"""The backbones that the Data page offers: what each is good for, its size, its speed here."""

import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import streamlit as st

from ui.shell import theme
from wann_core.embedding import backbones
from wann_core.paths import cache_folder
from wann_core.storage.files import write_atomically


class Offer(NamedTuple):
    """A backbone that needs no typing.

    Attributes
    ----------
    megabytes : float
        Of its weights, which are downloaded once; 0 for none.
    columns : int
        Dimensions of the embeddings; 0 where they depend on the images.
    good_for : str
    """

    megabytes: float
    columns: int
    good_for: str


# The first that is on this machine is the default, else the first.
OFFERS = {
    "vit_small_patch14_dinov2.lvd142m": Offer(88, 384, "photos; the best start on a processor"),
    "vit_base_patch14_dinov2.lvd142m": Offer(346, 768, "photos, finer classes"),
    backbones.DEFAULT: Offer(1217, 1024, "photos, finest classes; the paper's own; wants a GPU"),
    "tf_efficientnet_lite0.in1k": Offer(19, 1280, "photos of everyday things, fast"),
    "resnet50.a1_in1k": Offer(102, 2048, "photos of everyday things"),
    "resnet18.a1_in1k": Offer(47, 512, "photos of everyday things, quickly tried"),
    backbones.PIXELS: Offer(0, 0, "drawings and digits; photos hardly"),
}


def default() -> str:
    """The backbone to begin with: of those for photos the first whose weights are here."""
    here = [name for name, offer in OFFERS.items() if offer.megabytes and _here(name)]
    return here[0] if here else next(iter(OFFERS))


def describe(name: str) -> None:
    """Say what a chosen backbone is good for, and what it costs."""
    offer = OFFERS.get(name)
    if offer is None:
        return
    parts = [f"Good for {offer.good_for}"]
    if offer.megabytes:
        weights = "on this machine" if _here(name) else "downloaded once"
        parts.append(f"weights of {theme.nbytes(1e6 * offer.megabytes)}, {weights}")
    measured = speeds()
    for key, precision in ((name, ""), (_half(name), " in bfloat16")):
        if key in measured:
            parts.append(f"{in_words(measured[key])} images a second here{precision}")
    st.caption("; ".join(parts) + ".")


def show_all() -> None:
    """Draw them side by side."""
    measured = speeds()
    rows = [
        {
            "backbone": name,
            "good for": offer.good_for,
            "weights, MB": offer.megabytes or None,
            "dimensions": offer.columns or None,
            "on this machine": _here(name),
            "images/s here": measured.get(name),
        }
        for name, offer in OFFERS.items()
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        width="stretch",
        column_config={"images/s here": st.column_config.NumberColumn(format="%.1f")},
    )
    st.caption(
        "Any other image model of timm: type its name. Speeds are those that “Estimate the time” "
        "measured on this machine."
    )


def speeds() -> dict[str, float]:
    """Images a second by backbone, as they were measured on this machine.

    In float32; those in bfloat16 have keys of their own.
    """
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
        return {str(name): float(rate) for name, rate in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError):
        logging.getLogger(__name__).warning("%s is damaged and left out", _file())
        return {}


def in_words(rate: float) -> str:
    """A number of images a second, to what matters of it."""
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def record_speed(name: str, rate: float, precision: str) -> None:
    """Keep a measured speed."""
    key = _half(name) if precision == "bfloat16" else name
    content = json.dumps({**speeds(), key: rate}).encode()
    _file().parent.mkdir(parents=True, exist_ok=True)
    write_atomically(_file(), lambda file: file.write(content))


def _half(name: str) -> str:
    """Under which the speed in bfloat16 is kept."""
    return f"{name} in bfloat16"


def _file() -> Path:
    return cache_folder() / "embedding_speeds.json"


def _here(name: str) -> bool:
    """Whether its weights lie in the hub's cache; timm itself takes seconds to ask."""
    if not OFFERS[name].megabytes:
        return True
    if find_spec("timm") is None or find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import constants

    place = Path(constants.HF_HUB_CACHE) / f"models--timm--{name}" / "snapshots"
    return next(place.glob("*/*"), None) is not None
