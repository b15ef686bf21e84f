"""How long the drawing widget needs from a move of the pen to the painted answer, in JupyterLab.

    python3 tools/measure_draw_digit.py [--events 100]

Needs playwright and Chromium, as the browser tests do, and a quiet machine. Each move paints a
stroke, runs lesson 06's network, its saliency where it is on, and draws every layer's maps. Times
are those of the browser: from the timestamp of the move to the first task after the next paint.
Ends with 1 where the target (median 30 ms) is missed.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browser import jupyter_lab, open_chromium, open_notebook, open_page  # noqa: E402
from conftest import find_browser  # noqa: E402
from site_notebooks import code, notebook, write  # noqa: E402

MEDIAN = 30  # milliseconds
SOURCE = """import numpy as np
from course_lib.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Softmax
from course_lib.model import Sequential
from course_lib.widgets import DrawDigit

rng = np.random.default_rng(0)
DrawDigit(Sequential([
    Conv2D(1, 8, kernel_size=3, padding=1, rng=rng), ReLU(), MaxPool2D(2),
    Conv2D(8, 16, kernel_size=3, padding=1, rng=rng), ReLU(), MaxPool2D(2),
    Flatten(), Dense(16 * 7 * 7, 10, rng=rng), Softmax()]))"""
WATCH = """(sheet) => {
    const channel = new MessageChannel(); // its message is the first task after the paint
    channel.port1.onmessage = ({ data }) => window.times.push(performance.now() - data);
    sheet.addEventListener('pointermove', ({ timeStamp, buttons }) => {
        if (buttons) requestAnimationFrame(() => channel.port2.postMessage(timeStamp));
    }, true);
}"""


def measure(page, sheet, events: int) -> list[float]:
    """Milliseconds from a move to the paint, for a pen that goes to and fro over the sheet."""
    page.evaluate("window.times = []")
    box = sheet.bounding_box()

    def place(k):
        across, down = 0.5 + 0.4 * ((k * 7) % 11 / 5 - 1), 0.1 + 0.8 * (k % 40) / 40
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    page.mouse.move(*place(0))
    page.mouse.down()
    for k in range(1, events + 2):
        page.mouse.move(*place(k))
        page.wait_for_function(f"window.times.length >= {k}")
        page.wait_for_timeout(7 + k * 13 % 29)  # not in step with the frames
    page.mouse.up()
    return page.evaluate("window.times")[1:]  # the first one warms up


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100)
    events = parser.parse_args(argv).events
    met = []
    with tempfile.TemporaryDirectory() as scratch:
        folder, settings = Path(scratch, "lab"), Path(scratch, "settings")
        folder.mkdir()
        settings.mkdir()
        write(folder, "draw", notebook(code(SOURCE)))
        with (open_chromium(find_browser()) as browser,
              jupyter_lab(folder, settings) as address,
              open_page(browser, f"{address}/lab/tree/draw.ipynb?reset", width=1300) as page):
            open_notebook(page)
            page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
            sheet = page.locator(".cnn-digit-sheet")
            sheet.wait_for(timeout=60_000)
            sheet.scroll_into_view_if_needed()
            sheet.evaluate(WATCH)
            print(f"{'milliseconds to the paint':28} {'events':>6} {'median':>8} {'p95':>8}")
            for name in ("off", "of the answer"):
                page.get_by_label("Saliency", exact=True).select_option(label=name)
                page.get_by_role("button", name="Clear the drawing").click()
                times = measure(page, sheet, events)
                median, slow = statistics.median(times), statistics.quantiles(times, n=20)[-1]
                print(f"{f'saliency {name}':28} {len(times):6} {median:8.1f} {slow:8.1f}")
                met.append(median <= MEDIAN)
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
