"""`python -m docs.screenshots`: takes the README's pictures from a running `make up`, with a headless Chromium."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, Error, Page, sync_playwright

from gradio_ui.charts.court_image import LEFT, RIGHT, TOP

FOLDER = Path(__file__).parent
PATIENCE_MS = 60_000

SPOTS = ((-228, 12), (5, 18), (-110, 120), (150, 215), (-165, 205))
"""Places in tenths of a foot from the hoop: those of the table, and last the one that is answered."""

COURT_PIXELS = 600
"""Width of the court on a wide page, in CSS pixels."""
MARGIN = 24
ASSETS = "{ assetNodes { assetKey { path } } }"
FRAME = """names => {
    const boxes = [...document.querySelectorAll('foreignObject')];
    const missing = names.filter(name => !boxes.some(box => box.textContent.includes(name + 'Latest event')));
    if (missing.length) return null;
    const sides = boxes.map(box => box.getBoundingClientRect());
    const left = Math.min(...sides.map(s => s.left)), top = Math.min(...sides.map(s => s.top));
    const right = Math.max(...sides.map(s => s.right)), bottom = Math.max(...sides.map(s => s.bottom));
    return {x: left, y: top, width: right - left, height: bottom - top};
}"""
"""The box around all groups of the graph; null until every named asset is shown with its latest event."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser. Raises FileNotFoundError when none is installed."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise FileNotFoundError("no Chromium is installed; install one (on Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


def open_at(browser: Browser, url: str, width: int, height: int, scale: int) -> Page:
    """A page of this size in CSS pixels, each `scale` times `scale` pixels of the picture."""
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    return page


def take_page(browser: Browser, url: str, player: str, file: Path) -> None:
    """The web page after a few questions about the best known player whose name has these letters."""
    page = open_at(browser, url, 1280, 900, 2)
    page.locator(".invitation").wait_for()
    page.get_by_label("Player").fill(player)
    page.locator(".suggestions label").first.click()
    page.locator('.answer[data-question="1"]').wait_for()
    for number, (x, y) in enumerate(SPOTS, start=2):
        click_court(page, x, y)
        page.locator(f'.answer[data-question="{number}"]').wait_for()
    page.mouse.move(0, 0)
    page.wait_for_timeout(500)  # the ring has landed
    page.screenshot(path=file, full_page=True)
    page.close()
    shrink(file)


def click_court(page: Page, x: float, y: float) -> None:
    """Click the spot that shows this place, in tenths of a foot from the hoop."""
    scale = COURT_PIXELS / (RIGHT - LEFT)
    page.locator(".court img").click(position={"x": scale * (x - LEFT), "y": scale * (y - TOP)})


def shrink(file: Path) -> None:
    """Save a picture with a palette: it has few colours, and then takes a third of the space."""
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)


def take_graph(browser: Browser, url: str, file: Path) -> None:
    """Dagster's global asset graph with all groups open, framed to what it shows."""
    nodes = httpx.post(f"{url}/graphql", json={"query": ASSETS}, timeout=30).json()["data"]["assetNodes"]
    names = [node["assetKey"]["path"][-1] for node in nodes]
    page = open_at(browser, f"{url}/asset-groups", 2400, 1200, 1)
    page.locator("foreignObject").first.wait_for()
    page.keyboard.press("Alt+KeyE")  # opens all groups, and puts that into the address
    page.wait_for_url("**expanded=**")
    page.reload()  # a graph whose groups are open at the start is fitted into the window
    page.wait_for_function(FRAME, arg=names)
    page.wait_for_timeout(1500)  # the graph glides into its place
    box = page.evaluate(FRAME, names)
    page.screenshot(
        path=file,
        clip={
            "x": box["x"] - MARGIN,
            "y": box["y"] - MARGIN,
            "width": box["width"] + 2 * MARGIN,
            "height": box["height"] + 2 * MARGIN,
        },
    )
    page.close()
    shrink(file)


def main() -> int:
    """Take both pictures; 1 with a message when something is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", default="http://127.0.0.1:7860", help="address of the web page")
    parser.add_argument("--dagster", default="http://127.0.0.1:3000", help="address of Dagster")
    parser.add_argument("--player", default="an", help="letters of the player's name")
    parser.add_argument("--into", type=Path, default=FOLDER, help="folder of the pictures")
    chosen = parser.parse_args()
    try:
        with chromium() as browser:
            take_page(browser, chosen.page, chosen.player, chosen.into / "page.png")
            take_graph(browser, chosen.dagster.rstrip("/"), chosen.into / "graph.png")
    except (FileNotFoundError, httpx.HTTPError, Error) as error:
        print(f"No picture was taken: {str(error).splitlines()[0]} Is `make up` running?", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
