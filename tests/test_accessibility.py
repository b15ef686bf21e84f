"""Every page and a deck through axe, light and dark: nothing serious, nothing critical."""

import os
from pathlib import Path

import pytest
from browser import open_chromium, open_page
from conftest import need
from site_notebooks import markdown, notebook, write
from test_site import LESSONS

from course_lib.site import build_site
from course_lib.slides import build_deck

SCHEMES = ("light", "dark")
PAGES = ["index", *(path.stem for path in LESSONS)]


@pytest.fixture(scope="module")
def chromium():
    path = need("browser")
    if "browser" not in os.environ.get("COURSE_REQUIRE", "").split(","):
        pytest.importorskip("axe_playwright_python")
    with open_chromium(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build_site(LESSONS, folder)
    return folder


def serious(page):
    """What axe calls serious or critical: the rule, and where it is broken."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response
    assert found["passes"], "axe has looked at nothing"
    return [(fault["id"], fault["help"], node["html"][:160]) for fault in found["violations"]
            if fault["impact"] in ("serious", "critical") for node in fault["nodes"]]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PAGES)
def test_pages_have_no_serious_fault(chromium, site, name, scheme):
    address = (site / f"{name}.html").as_uri()
    with open_page(chromium, address, color_scheme=scheme) as page:
        page.evaluate("document.querySelectorAll('details').forEach((one) => one.open = true)")
        for place in page.locator(".course-widget").all():
            place.locator(".cnn-widget").wait_for()
        assert serious(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_pages_have_no_serious_fault_on_a_telephone(chromium, site, scheme):
    address = (site / f"{PAGES[1]}.html").as_uri()
    with open_page(chromium, address, width=360, color_scheme=scheme) as page:
        page.locator(".cnn-widget").first.wait_for()
        assert serious(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_folded_answers_and_an_enlarged_figure_have_no_serious_fault(chromium, site, scheme):
    address = (site / "01_convolution.html").as_uri()
    with open_page(chromium, address, width=360, color_scheme=scheme) as page:
        assert page.locator("details.answer").count() > 10
        assert page.locator("details[open]").count() == 0 and serious(page) == []
        page.get_by_label("Show all answers").check()
        page.get_by_role("button", name="Enlarge the figure").first.click()
        assert page.locator("dialog").is_visible() and serious(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_deck_has_no_serious_fault(chromium, tmp_path, scheme):
    address = build_deck(LESSONS[0], tmp_path).as_uri()
    with open_page(chromium, address, width=1024, color_scheme=scheme) as page:
        page.locator("html[data-deck=ready]").wait_for()
        screens = page.evaluate("""(first) => {
            Reveal.configure({ fragments: false });
            return [...document.querySelectorAll('.slides > section')].flatMap((column, h) => {
                const all = [...column.children];
                const live = all.findIndex((one) => one.querySelector('.cnn-widget'));
                return [...new Set([first ? 0 : all.length - 1, Math.max(live, 0)])]
                    .map((v) => [h, v]);
            });
        }""", scheme == "light")
        for h, v in screens:
            page.evaluate(f"Reveal.slide({h}, {v})")
            assert serious(page) == [], (h, v)


def test_every_picture_of_every_page_has_words_of_its_own(chromium, site):
    for path in LESSONS:
        with open_page(chromium, (site / f"{path.stem}.html").as_uri()) as page:
            texts = [image.get_attribute("alt") for image in page.locator("img").all()]
        assert all(texts) and "No description" not in " ".join(texts)


def test_axe_sees_a_fault(chromium, tmp_path):
    bad = '<img src="data:," width="9"> <p style="color: #999; background: #aaa">Pale words</p>'
    build_site([write(tmp_path, "01_bad", notebook(markdown(bad)))], tmp_path / "out")
    with open_page(chromium, Path(tmp_path / "out" / "01_bad.html").as_uri()) as page:
        assert {"image-alt", "color-contrast"} <= {rule for rule, *_ in serious(page)}
