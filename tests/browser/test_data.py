"""Raw data to neighborhoods through the dashboard, in a real browser."""

import re
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import BrowserContext, Page, expect
from sklearn.datasets import load_digits

from tests.helpers.browser import opened, press, settle


@pytest.fixture
def folder(app_folder: Path) -> Path:
    """The parent of the app's folders `database` and `data`."""
    return app_folder


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    return opened(context, f"{address}/data?task=here", "text=Known data sets")


def choose(page: Page, name: str) -> None:
    """Press one of the page's switches."""
    page.get_by_role("radio", name=name).click()
    settle(page)


def fill(page: Page, label: str, text: str) -> None:
    box = page.get_by_role("textbox", name=label, exact=True)
    box.fill(text)
    box.press("Enter")
    settle(page)


def take_backbone(page: Page, name: str) -> None:
    box = page.get_by_role("combobox", name="Backbone")
    box.click()
    box.press_sequentially(name)
    box.press("Enter")


def open_in_overview(page: Page) -> None:
    page.get_by_role("link", name="Open in Overview").first.click()
    expect(page.get_by_role("heading", name="WANN Explorer")).to_be_visible()
    expect(page.get_by_test_id("stDownloadButton").first).to_be_visible()
    settle(page)


def write_idx(place: Path, train: int, test: int) -> None:
    """Files as those of MNIST, of scikit-learn's digits at 28 × 28."""
    source = load_digits()
    place.mkdir(parents=True)
    images = np.kron(source.images, np.ones((1, 3, 3)))
    images = np.pad(images * 255 / 16, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    first = 0
    for prefix, count in (("train", train), ("t10k", test)):
        rows = np.arange(first, first + count) % len(images)
        first += count
        head = struct.pack(">IIII", 0x803, count, 28, 28)
        (place / f"{prefix}-images-idx3-ubyte").write_bytes(head + images[rows].tobytes())
        labels = source.target[rows].astype(np.uint8)
        head = struct.pack(">II", 0x801, count)
        (place / f"{prefix}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())


def test_idx_files_to_wann_under_noise(page: Page, folder: Path) -> None:
    write_idx(folder / "data" / "mnist" / "MNIST" / "raw", 1500, 297)
    choose(page, "Embed images")
    choose(page, "A known data set")
    expect(page.get_by_text("They are in")).to_be_visible()
    take_backbone(page, "pixels")
    press(page, "Embed", page.get_by_text("is embedded:"))
    expect(page.get_by_text("1,500 train, 297 test rows of 784 dimensions")).to_be_visible()
    page.reload()  # what has ended is still told
    expect(page.get_by_text("mnist by pixels is embedded")).to_be_visible()
    settle(page)
    open_in_overview(page)
    expect(page.get_by_text("Realized noise: 40.00 % of the labels")).to_be_visible()
    cards = page.locator(".wann-card")
    names = cards.locator(".name").all_inner_texts()
    values = [float(v.rstrip(" %")) for v in cards.locator(".value").all_inner_texts()]
    assert dict(zip(names, values, strict=True))["WANN"] > 80
    expect(page.get_by_text("1,500 training and 297 test rows of 10 classes")).to_be_visible()


def test_photos_to_neighborhoods_with_thumbnails(
    page: Page, folder: Path, small_weights: Path
) -> None:
    rng = np.random.default_rng(0)
    for name, tint in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
        place = folder / "my photos" / name
        place.mkdir(parents=True)
        for i in range(15):
            pixels = np.clip(rng.normal(tint, 30, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(place / f"{i}.jpg")
    choose(page, "Embed images")
    choose(page, "A folder on this machine")
    fill(page, "Folder", str(folder / "my photos"))
    expect(page.get_by_text("24 train, 6 test images of 2 classes")).to_be_visible()
    expect(page.locator(".wann-thumb img")).to_have_count(12)
    take_backbone(page, "resnet10t")
    page.get_by_text("More: weights").click()
    fill(page, "Weights file", str(folder / "none.pth"))
    page.get_by_role("spinbutton", name="Image size").fill("32")
    press(page, "Embed", page.get_by_text("must be an existing file"))
    fill(page, "Weights file", str(small_weights))
    # What was typed outlives a look at another page.
    choose(page, "Installed data")
    choose(page, "Embed images")
    expect(page.get_by_role("textbox", name="Folder", exact=True)).to_have_value(
        str(folder / "my photos")
    )
    press(page, "Embed", page.get_by_text("my photos by resnet10t"))
    # It stands below the controls that asked for it, and a page that is loaded again has both.
    for _ in range(2):
        ended = page.get_by_text("24 train, 6 test rows of 512 dimensions")
        expect(ended).to_be_visible()
        expect(page.get_by_role("textbox", name="Folder", exact=True)).to_have_value(
            str(folder / "my photos")
        )
        box, text = page.get_by_role("combobox", name="Backbone"), ended.bounding_box()
        expect(box).to_have_value("resnet10t")
        above = box.bounding_box()
        assert text is not None and above is not None and text["y"] > above["y"]
        page.reload()
    settle(page)
    open_in_overview(page)
    page.get_by_role("link", name="Neighborhoods").click()
    expect(page.get_by_role("heading", name=re.compile("Training row"))).to_be_visible()
    settle(page)
    neighbors = page.get_by_role("button", name=re.compile("Go to training row"))
    expect(neighbors.first.locator("img")).to_have_attribute("src", re.compile("^data:image/png"))
    assert page.get_by_text("each line is an embedding").count() == 0


def test_uploaded_csv_to_overview_and_gone_again(page: Page, folder: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 8)) + 3 * np.eye(8)[np.arange(300) % 3]
    table = pd.DataFrame(X, columns=[f"e{i}" for i in range(8)])
    table["species"] = np.array(["ant", "bee", "cat"])[np.arange(300) % 3]
    table.rename(columns={"species": "label"}).to_csv(folder / "my insects.csv", index=False)
    choose(page, "Import embeddings")
    page.locator("input[type=file]").set_input_files(folder / "my insects.csv")
    expect(page.get_by_text("300 have a label, of 3 classes")).to_be_visible()
    # The upload outlives a look at another page.
    choose(page, "Installed data")
    choose(page, "Import embeddings")
    expect(page.get_by_text("my insects.csv, uploaded before, is in use.")).to_be_visible()
    press(page, "Import", page.get_by_text("my insects by embeddings is imported"))
    expect(page.get_by_text("A table holds one row a sample")).to_be_visible()
    open_in_overview(page)
    expect(page.get_by_text("240 training and 60 test rows of 3 classes")).to_be_visible()

    page.get_by_role("link", name="Data", exact=True).click()
    choose(page, "Installed data")
    stored = page.get_by_test_id("stDataFrame").first
    stored.scroll_into_view_if_needed()
    names = sorted(path.name for path in (folder / "database").iterdir())
    # The table is one drawing: the box of a row stands at its left, 35 pixels a row.
    row = 35 * (names.index("my insects") + 1) + 18
    stored.click(position={"x": 16, "y": row})
    press(page, "Delete …", page.get_by_text("will be gone for good"))
    assert (folder / "database" / "my insects" / "embeddings").is_dir()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("will be gone for good")).to_have_count(0)
    settle(page)
    assert not (folder / "database" / "my insects").exists()


def test_the_toolbar_of_tables_writes_no_csv(page: Page) -> None:
    """It would hold cells as they are, formulas included."""
    table = page.get_by_test_id("stDataFrame").first
    table.hover()
    buttons = page.get_by_test_id("stElementToolbarButton")
    expect(buttons.get_by_role("button", name="Search").first).to_be_visible()
    for button in buttons.locator("[aria-label^='Download']").all():
        expect(button).to_be_hidden()
    assert buttons.locator("[aria-label^='Download as CSV']").count()  # still called so
