"""Driving a real browser in tests: pages without a network, and JupyterLab itself.

Every request that is not local is refused and remembered, and so is everything in the console.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
LOCAL = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "ws://127.0.0.1:")
ROOT = Path(__file__).parents[1]
RUN_CELL = """async (index) => {
    const panel = window.jupyterapp.shell.currentWidget;
    panel.content.activeCellIndex = index;
    await window.jupyterapp.commands.execute('notebook:run-cell');
    const outputs = panel.content.widgets[index].model.outputs.toJSON();
    return outputs.map((output) => output.text ?? output.evalue ?? '').flat().join('');
}"""


@contextmanager
def open_chromium(path):
    """Give Playwright's browser, or skip where Playwright itself is missing."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def open_page(browser, address, width=1100, **options):
    """Open an address; afterwards no error may be in the console and no request may have left."""
    page = browser.new_page(viewport={"width": width, "height": 900}, **options)
    page.set_default_timeout(30_000)  # two files at a time may share a slow machine
    page.outside, page.errors = [], []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda m: m.type == "error" and page.errors.append(m.text))

    def check(route):
        if route.request.url.startswith(LOCAL):
            return route.continue_()
        page.outside.append(route.request.url)
        return route.abort()

    page.route("**/*", check)
    page.goto(address)
    try:
        yield page
        assert page.outside == [] and page.errors == []
    finally:
        page.close()


def settle(page, frames=6):
    """Wait for some frames: whoever watches sizes and draws anew in the next one has done so."""
    page.evaluate("""async (frames) => {
        for (let k = 0; k < frames; k++)
            await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 20)));
    }""", frames)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def jupyter_lab(folder, scratch):
    """Serve `folder` with JupyterLab, without anybody's settings; give its address."""
    port = free_port()
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OPENBLAS_NUM_THREADS="1")
    for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"):
        environment[f"JUPYTER_{name}"] = str(scratch / name.lower())
    settings = scratch / "config_dir" / "labconfig" / "page_config.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(  # the news would be fetched from outside
        '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}'
    )
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--expose-app-in-browser",
               "--allow-root", f"--port={port}", "--ServerApp.port_retries=0",
               "--IdentityProvider.token=", "--ServerApp.password=",
               "--LabApp.extension_manager=readonly", f"--ServerApp.root_dir={folder}"]
    with open(scratch / "lab.log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield wait_for(server, f"http://127.0.0.1:{port}", scratch / "lab.log")
    finally:
        server.terminate()
        server.wait(timeout=30)


def open_notebook(page):
    """Wait until the notebook that JupyterLab has opened can run cells."""
    kernel = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
    page.wait_for_function(kernel, timeout=60_000)
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.ready")


def run_cell(page, index):
    """Run one cell of the open notebook; return what it printed."""
    return page.evaluate(RUN_CELL, index).strip()


def run_cell_until(page, index, expected, tries=50):
    """Run a cell until it prints this: JupyterLab holds changes back while the kernel is busy."""
    for _ in range(tries):
        if (found := run_cell(page, index)) == expected:
            break
        page.wait_for_timeout(100)
    assert found == expected


def wait_for(server, address, log, seconds=60):
    """Return the address as soon as the server answers; show its log where it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api", timeout=2).close()
            return address
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")
