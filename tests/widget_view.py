"""Reading and driving one widget on a page, the way a person does: shared by its tests."""

import json
import re
from contextlib import contextmanager

import numpy as np
from browser import open_page
from site_notebooks import code, markdown, notebook, shown, write

from course_lib.site import build_site

RUN_CASES = """async (cases) => {
    const source = document.querySelector('script[data-module]').textContent;
    const blob = new Blob([source], { type: 'text/javascript' });
    const cnn = await import(URL.createObjectURL(blob));
    return JSON.stringify(JSON.parse(cases).map((given) => { BODY }));
}"""
WITH_FAKE_MODEL = """async ([state, changes]) => {
    const source = document.querySelector('script[data-module]').textContent;
    const address = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    const view = (await import(address)).default;
    const heard = [];
    const model = { get: (name) => state[name], set() {}, save_changes() {},
        on: (event, listener) => heard.push([event, listener]),
        off: (event, listener) => heard.splice(heard.findIndex(([, one]) => one === listener), 1) };
    const el = document.createElement('div');
    const stops = [view.initialize({ model }), await view.render({ model, el })];
    Object.assign(state, changes);  // all at once, then one event after the other
    Object.keys(changes).forEach((name) => heard.filter(([event]) => event === `change:${name}`)
        .forEach(([, listener]) => listener()));
    const told = el.querySelector('.cnn-sentence').textContent;
    stops.forEach((stop) => stop());
    return [told, el.children.length, heard.length];
}"""
CONTRASTS = """() => {
    const canvas = document.createElement('canvas').getContext('2d');
    const rgb = (colour) => {
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (colour) => rgb(colour).map((part) => part / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
    const paperOf = (node) => {
        const colour = getComputedStyle(node).backgroundColor;
        return /^rgba.*, 0\\)$/.test(colour) && node.parentElement
            ? paperOf(node.parentElement) : colour;
    };
    const texts = document.querySelectorAll('.cnn-widget :is(p, span, button, select, input, '
        + '.cnn-cell, .cnn-title)');
    return [...texts].filter((node) => node.checkVisibility()).map((node) => {
        const [a, b] = [light(getComputedStyle(node).color), light(paperOf(node))];
        return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.className];
    });
}"""


def build_page(folder, widgets):
    """A page with these widgets, in this order; return its address."""
    cells = [code("w", shown(widget)) for widget in widgets]
    path = write(folder, "01_widgets", notebook(markdown("# 01. Widgets"), *cells))
    build_site([path], folder / "out")
    return (folder / "out" / "01_widgets.html").as_uri()


@contextmanager
def page_with_clock(browser, address, **settings):
    """A page whose time passes only by page.clock.run_for: from the first moment on.

    A clock that is only installed goes on with real time, so that a slow machine sees one step more.
    """
    with open_page(browser, "about:blank", **settings) as page:
        page.clock.install(time=0)
        page.clock.pause_at(1)
        page.goto(address)
        yield page


def run_cases(page, cases, body):
    """Call the page's own cnn.js once for all cases; `body` sees `cnn` and `given`."""
    return json.loads(page.evaluate(RUN_CASES.replace("BODY", body), json.dumps(cases)))


class WidgetView:
    """One widget of a page: its grids, sentences and controls."""

    def __init__(self, page, number, output):
        self.page = page
        self.root = page.locator(".cnn-widget").nth(number)
        self.root.wait_for()
        self.grids = self.root.locator(".cnn-grid").all()
        self.output = self.grids[output]

    @staticmethod
    def values(grid):
        """The numbers that are printed in a grid's cells, as an array."""
        rows = grid.evaluate("grid => [...grid.querySelectorAll('.cnn-row')]"
                             ".map(row => [...row.children].map(cell => cell.textContent))")
        return np.array([[float(text.replace("\u2212", "-")) for text in row] for row in rows])

    @staticmethod
    def where(grid, selector):
        """(row, column) of the cells that a selector finds."""
        return [tuple(place) for place in grid.locator(f".cnn-cell{selector}").evaluate_all(
            "cells => cells.map((c) => [Number(c.dataset.row), Number(c.dataset.column)])")]

    @staticmethod
    def under(grid, selector):
        """(row, column) of the cells whose middle an element of the grid covers on the screen."""
        return [tuple(place) for place in grid.evaluate("""(grid, selector) => {
            const frame = grid.querySelector(selector).getBoundingClientRect();
            const inside = (box) => frame.left <= box.left + box.width / 2
                && box.left + box.width / 2 <= frame.right
                && frame.top <= box.top + box.height / 2
                && box.top + box.height / 2 <= frame.bottom;
            return [...grid.querySelectorAll('.cnn-cell')]
                .filter((cell) => inside(cell.getBoundingClientRect()))
                .map((cell) => [Number(cell.dataset.row), Number(cell.dataset.column)]);
        }""", selector)]

    def framed(self, grid):
        return self.under(grid, ".cnn-frame")

    @staticmethod
    def looks(cell, name, part=None):
        """What the stylesheet makes of a cell, or of its ::before or ::after."""
        return cell.evaluate("(cell, [name, part]) => getComputedStyle(cell, part)[name]",
                             [name, part])

    @property
    def position(self):
        (place,) = self.framed(self.output)
        return place

    @property
    def sentence(self):
        return self.root.locator(".cnn-sentence").inner_text().replace("\u2212", "-")

    @property
    def lines(self):
        texts = self.root.locator(".cnn-formulas p").all_inner_texts()
        return [text.replace("\u2212", "-") for text in texts]

    def cell(self, i, j):
        return self.output.locator(f"[data-row='{i}'][data-column='{j}']")

    def button(self, name):
        return self.root.get_by_role("button", name=re.compile(name))

    def choose(self, label, option):
        self.root.get_by_label(label, exact=True).select_option(label=option)

    def press(self, *keys):
        self.output.focus()
        for key in keys:
            self.page.keyboard.press(key)


def listen_outside(page):
    """Remember in window.heard the keys that reach the document around the widgets."""
    page.evaluate("() => { window.heard = []; "
                  "document.addEventListener('keydown', (e) => window.heard.push(e.key)); }")


def no_sideways_scrolling(page):
    boxes = page.locator(".cnn-widget *").evaluate_all(
        "nodes => nodes.map((node) => node.getBoundingClientRect().right)")
    width = page.evaluate("document.documentElement.scrollWidth")
    return width <= page.viewport_size["width"] and max(boxes) <= page.viewport_size["width"]
