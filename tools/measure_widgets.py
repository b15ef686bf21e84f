"""How long a widget needs from a hover or a key to the painted picture, in a real JupyterLab.

    python3 tools/measure_widgets.py [--events 200]

Needs playwright and Chromium, as the browser tests do, and a quiet machine. Times are those of the
browser: from the timestamp of the input event to the first task after the next frame was painted.
Ends with 1 where a target (median 20 ms, 95th percentile 40 ms) is missed.
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

MEDIAN, SLOW = 20, 40  # milliseconds: the targets for the median and the 95th percentile
CELLS = {
    "sliding kernel": "SlidingKernel(position=(1, 1))",
    "sliding kernel, 3 channels, 4 filters, bias": "SlidingKernel(np.arange(192).reshape(3, 8, 8) "
    "% 7, np.arange(108).reshape(4, 3, 3, 3) % 5 - 2, bias=[1, 2, 3, 4], position=(1, 1))",
    "sliding kernel, 28 by 28 image": "SlidingKernel(np.eye(28), 'blur', position=(1, 1))",
    "padding and stride": "PaddingStride(stride=1, position=(1, 1))",
    "pooling": "PoolingWindow(position=(1, 1))",
    "gradient flow": "GradientFlow(np.ones((4, 4)), view='dx', position=(1, 1))",
    "kernel editor": "KernelEditor(position=(1, 1))",
    "pixel inspector": "PixelInspector(np.ones((6, 6)), position=(1, 1))",
}
WATCH = """(root) => {
    let began = null;
    const begin = (event) => { began = event.timeStamp; };
    const grid = [...root.querySelectorAll('[role=grid]')].at(-1);
    ['pointerover', 'keydown'].forEach((name) => grid.addEventListener(name, begin, true));
    const channel = new MessageChannel(); // its message is the first task after the paint
    channel.port1.onmessage = ({ data }) => window.times.push(performance.now() - data);
    const changed = () => {
        if (began === null) return;
        const start = began;
        began = null;
        requestAnimationFrame(() => channel.port2.postMessage(start));
    };
    new MutationObserver(changed).observe(root.querySelector('.cnn-sentence'),
        { childList: true, characterData: true, subtree: true });
}"""


def measure(page, root, kind: str, events: int) -> list[float]:
    """Milliseconds from event to paint: `events` hovers, or keys, back and forth on two cells.

    Hovering begins at column 1 and ends, after an odd count, at column 0; then the keys go on.
    """
    page.evaluate("window.times = []")
    grid = root.locator("[role=grid]").last
    places = [cell_middle(grid, j) for j in (0, 1)]
    if kind == "key":
        grid.focus()
        page.mouse.move(0, 0)
    for k in range(events + 1 - events % 2):  # an odd count
        if kind == "hover":
            page.mouse.move(*places[k % 2])
        else:
            page.keyboard.press(("ArrowRight", "ArrowLeft")[k % 2])
        page.wait_for_function(f"window.times.length > {k}")
        page.wait_for_timeout(7 + k * 13 % 29)  # not in step with the frames
    return page.evaluate("window.times")[1:]  # the first one warms up


def cell_middle(grid, column: int) -> tuple[float, float]:
    box = grid.locator(f"[data-row='1'][data-column='{column}']").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def report(name: str, kind: str, times: list[float]) -> bool:
    """Print one line; True where the targets are met."""
    median, slow = statistics.median(times), statistics.quantiles(times, n=20)[-1]
    print(f"{name:44} {kind:6} {len(times):6} {median:8.1f} {slow:8.1f}", flush=True)
    return median <= MEDIAN and slow <= SLOW


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200)
    events = parser.parse_args(argv).events
    head = "import numpy as np\nfrom course_lib.widgets import *\n"
    met = []
    with tempfile.TemporaryDirectory() as scratch:
        folder, settings = Path(scratch, "lab"), Path(scratch, "settings")
        folder.mkdir()
        settings.mkdir()
        for k, source in enumerate(CELLS.values()):
            write(folder, f"widget_{k}", notebook(code(head + source)))
        print(f"{'milliseconds to the paint':44} {'by':6} {'events':>6} {'median':>8} {'p95':>8}")
        with (open_chromium(find_browser()) as browser,
              jupyter_lab(folder, settings) as address):
            for k, name in enumerate(CELLS):
                where = f"{address}/lab/tree/widget_{k}.ipynb?reset"
                with open_page(browser, where, width=1300) as page:
                    open_notebook(page)
                    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
                    root = page.locator(".cnn-widget")
                    root.wait_for()
                    root.evaluate(WATCH)
                    met += [report(name, kind, measure(page, root, kind, events))
                            for kind in ("hover", "key")]
    return 0 if all(met) else 1


if __name__ == "__main__":
    raise SystemExit(main())
