"""A folder of drawings, some in the wrong class, to a clean data set: in a real browser."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from playwright.sync_api import Page, expect
from sklearn.datasets import load_digits

from tests.helpers.browser import press, process, saved, settle

CLASSES = ("zero", "one", "two", "three", "four")


def draw(folder: Path) -> dict[str, str]:
    """250 handwritten digits as PNG in a folder a class, every tenth in a wrong one.

    Returns
    -------
    dict of str to str
        True class by file name.
    """
    digits = load_digits(n_class=len(CLASSES))
    truth = {}
    for i in range(250):
        true = int(digits.target[i])
        given = (true + 1 + i % 4) % len(CLASSES) if i % 10 == 0 else true
        place = folder / CLASSES[given]
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.kron(digits.images[i] * 255 / 16, np.ones((4, 4))).astype(np.uint8)
        Image.fromarray(pixels).save(place / f"{i:03}.png")
        truth[f"{i:03}.png"] = CLASSES[true]
    return truth


def embed(page: Page, address: str, images: Path) -> None:
    """Embed the folder by bare pixels on the Data page."""
    page.goto(f"{address}/data")
    for name in ("Embed images", "A folder on this machine"):
        page.get_by_role("radio", name=name).click()
        settle(page)
    box = page.get_by_role("textbox", name="Folder", exact=True)
    box.fill(str(images))
    box.press("Enter")
    expect(page.get_by_text("test images of 5 classes")).to_be_visible()
    backbone = page.get_by_role("combobox", name="Backbone")
    backbone.click()
    backbone.press_sequentially("pixels")
    backbone.press("Enter")
    press(page, "Embed", page.get_by_text("drawings by pixels is embedded"))


def card(page: Page) -> str:
    """The row that is shown in full."""
    return page.locator(".panel .muted").first.inner_text()


def judge(page: Page, key: str, reviewed: int) -> None:
    """Press a key; the next card must come at once, and the verdict be counted."""
    before = card(page)
    page.keyboard.press(key)
    expect(page.locator(".panel .muted").first).not_to_have_text(before)
    expect(page.get_by_text(f"{reviewed} reviewed")).to_be_visible()
    settle(page)


def test_wrong_photos_are_found_judged_and_written(page: Page, tmp_path: Path) -> None:
    images = tmp_path / "data" / "drawings"
    truth = draw(images)
    link = "review?dataset=drawings&backbone=pixels&probe=false"
    with process(tmp_path, tmp_path / "database", tmp_path / "data") as (address, app):
        embed(page, address, images)
        page.goto(f"{address}/{link}")
        press(page, "Audit", page.locator(".deck .card"))
        settle(page)
        expect(page.get_by_text("Look wrong, about")).to_be_visible()
        # A key typed into a field is text.
        page.get_by_role("textbox", name="Your name").fill("rukx")
        page.get_by_role("textbox", name="Your name").press("Enter")
        settle(page)
        expect(page.get_by_text("Nothing is reviewed yet")).to_be_visible()
        # So is one typed into the list of classes, until Enter.
        page.locator(".deck select").focus()
        page.keyboard.type("tku")
        settle(page)
        expect(page.get_by_text("Nothing is reviewed yet")).to_be_visible()
        page.locator("h1").click()
        # And a note goes with the verdict after it.
        page.keyboard.press("n")
        page.keyboard.type("uk: faint")
        page.keyboard.press("Enter")
        for _ in range(4):  # held down
            page.keyboard.down("1")
        page.keyboard.up("1")
        expect(page.get_by_text("1 reviewed")).to_be_visible()
        settle(page)
        for count in range(2, 6):
            judge(page, "r", count)
        last = page.locator(".card").nth(4).locator("button").get_attribute("title")
        page.keyboard.press("z")
        expect(page.get_by_text("4 reviewed")).to_be_visible()
        settle(page)
        assert last is not None and card(page) in last  # back on the card that was undone
        expect(page.locator(".card.done")).to_have_count(4)
        # All of the list, beyond this page: what is judged already stays as it is.
        page.get_by_role("button", name="Select all", exact=True).click()
        page.get_by_role("button", name="Select all 250 of the list").click()
        page.get_by_role("group", name="All selected").get_by_role("button", name="Unsure").click()
        expect(page.get_by_text("250 reviewed")).to_be_visible()
        expect(page.get_by_text("246 unsure")).to_be_visible()
        page.keyboard.press("z")
        expect(page.get_by_text("4 reviewed")).to_be_visible()
        settle(page)
        app.kill()
        app.wait(20)
    with process(tmp_path, tmp_path / "database", tmp_path / "data") as (address, _):
        page.goto(f"{address}/{link}")  # nobody presses Audit
        expect(page.get_by_text("4 reviewed")).to_be_visible()
        page.get_by_role("radio", name="Export").click()
        button = page.get_by_role("button", name="Table as CSV")
        table = pd.read_csv(saved(page, button).path())
        assert len(table) == 250
        judged = table[table["action"].notna()]
        assert judged["action"].to_list() == ["relabel"] * 4
        assert judged["who"].to_list() == ["rukx"] * 4
        assert judged["verdict_note"].dropna().to_list() == ["uk: faint"]
        # What was relabeled by the key alone now has its true class.
        right = [truth[Path(name).name] for name in judged["name"]]
        assert judged["new_label"].to_list() == right
        assert (judged["given_label"] != judged["new_label"]).all()

        press(page, "Write the database", page.get_by_text("drawings-cleaned is written"))
        page.get_by_role("link", name="Open in Overview").click()
        expect(page.get_by_role("heading", name="WANN Explorer")).to_be_visible()
        told = page.get_by_test_id("stMarkdown").filter(has_text="embedded by")
        expect(told).to_contain_text(
            "drawings-cleaned, embedded by pixels: 200 training and 50 test rows"
        )
