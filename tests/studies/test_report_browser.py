"""Reports in a real browser: quiet console, no requests, clicks, keys, and a narrow screen.

Runs where Chromium and its driver are; `.ci/run` installs them, and with CI set a missing one is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from studies import report
from tests.studies.reports import HOSTILE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.usefixtures("few_ends")]

WIDE, NARROW = (1280, 900), (390, 844)
SECONDS = 120


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        message = "needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    options = ChromeOptions()
    options.binary_location = str(programs[0])
    # No sandbox inside a container, no graphics card: WebGL in software.
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "enable-unsafe-swiftshader"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = Chrome(options=options, service=Service(programs[1]))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def pages(report_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Addresses of reports of studies by name; each is written once."""
    folder = tmp_path_factory.mktemp("pages")

    def page(*names: str) -> str:
        path = folder / f"{'-'.join(str(sum(map(ord, name))) for name in names)}.html"
        if not path.exists():
            report.main(["--db", str(report_database), *names, "--out", str(path)])
        return path.as_uri()

    return page


def log(browser: Chrome, kind: str) -> list[dict[str, Any]]:
    """What was logged since the last call."""
    found: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return found


def open_page(browser: Chrome, address: str, size: tuple[int, int] = WIDE, scheme: str = "light") -> None:
    """Opens a report on a screen of this size, and waits until all of it is drawn."""
    for kind in ("browser", "performance"):
        log(browser, kind)
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.get(address)
    WebDriverWait(browser, SECONDS).until(
        lambda one: one.execute_script("return document.documentElement.dataset.ready === 'true'")
    )


def check_quiet(browser: Chrome) -> None:
    """Nothing went wrong, and nothing was asked of the network."""
    assert [entry for entry in log(browser, "browser") if entry["level"] == "SEVERE"] == []
    asked = []
    for entry in log(browser, "performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    assert [address for address in asked if not address.startswith(("file:", "data:", "blob:"))] == []
    assert sum(address.startswith("file:") for address in asked) == 1


def title(browser: Chrome) -> str:
    return browser.find_element(By.ID, "subnet-title").text


def script(browser: Chrome, text: str) -> Any:
    return browser.execute_script(f"return {text}")


def test_click_shows_that_subnet(browser: Chrome, pages: Callable[..., str]) -> None:
    open_page(browser, pages("a"))
    before, diagram = title(browser), browser.find_element(By.ID, "diagram").get_attribute("innerHTML")
    assert before.startswith("Subnet ")
    # The last member of the front in the list, whose mark stands at the lower left end.
    button = browser.find_elements(By.CSS_SELECTOR, "#members button")[-1]
    wanted = f"Subnet {button.text}"
    assert wanted != before
    marks = browser.find_elements(By.CSS_SELECTOR, "#views figure:first-child .scatterlayer .trace .point")
    mark = min(marks, key=lambda one: one.rect["x"])
    ActionChains(browser).move_to_element(mark).perform()
    tip = WebDriverWait(browser, 20).until(lambda one: one.find_element(By.CSS_SELECTOR, ".hovertext"))
    assert f"a, s{wanted[1:]}" in tip.text
    ActionChains(browser).click().perform()
    WebDriverWait(browser, 20).until(lambda one: title(one) == wanted)
    assert browser.find_element(By.ID, "diagram").get_attribute("innerHTML") != diagram
    assert button.get_attribute("aria-pressed") == "true"
    assert len(browser.find_elements(By.CSS_SELECTOR, "#gantt .bars .point")) > 5
    for axis in ("xtick", "ytick"):
        labels = script(
            browser,
            f"[...document.querySelectorAll('#rooflines .{axis} text')].map((tick) => tick.textContent)",
        )
        # Plotly alone would write the digit 2 for 20 and for 200, so labels would not ascend.
        numbers = [float(label) for label in labels]
        assert len(numbers) > 1
        assert numbers == sorted(set(numbers))
    check_quiet(browser)


def test_keyboard_alone(browser: Chrome, pages: Callable[..., str]) -> None:
    open_page(browser, pages("a"))
    before = title(browser)
    reached = False
    for _ in range(40):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        focused = browser.switch_to.active_element
        assert script(browser, "document.activeElement.matches(':focus-visible')")
        reached = bool(script(browser, "document.activeElement.closest('#members') !== null"))
        if reached:
            break
    assert reached
    assert focused.value_of_css_property("outline-style") != "none"
    ActionChains(browser).send_keys(Keys.ARROW_DOWN, Keys.ENTER).perform()
    chosen = browser.switch_to.active_element
    assert title(browser) == f"Subnet {chosen.text}"
    assert title(browser) != before
    check_quiet(browser)


def test_any_subnet_by_its_id(browser: Chrome, pages: Callable[..., str]) -> None:
    open_page(browser, pages("a"))
    field, error = (browser.find_element(By.ID, name) for name in ("find-id", "find-error"))
    before = title(browser)
    field.send_keys("999", Keys.ENTER)
    assert error.text == "a has no subnet 999: its ids are 0 to 39."
    assert title(browser) == before
    field.clear()
    field.send_keys("7", Keys.ENTER)
    assert (error.text, title(browser)) == ("", "Subnet 7")


@pytest.mark.parametrize("names", [("a",), ("a", HOSTILE)])
def test_narrow_screen(browser: Chrome, pages: Callable[..., str], names: tuple[str, ...]) -> None:
    open_page(browser, pages(*names), NARROW)
    assert script(browser, "document.documentElement.scrollWidth") <= NARROW[0]
    assert (
        script(browser, "Math.max(...[...document.querySelectorAll('section')].map((s) => s.scrollWidth))")
        <= 390
    )
    check_quiet(browser)


def test_themes(browser: Chrome, pages: Callable[..., str]) -> None:
    def background() -> str:
        return browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")

    open_page(browser, pages("one"), scheme="dark")
    dark = background()
    Select(browser.find_element(By.ID, "theme")).select_by_value("light")
    assert background() == "rgba(255, 255, 255, 1)" != dark
    Select(browser.find_element(By.ID, "theme")).select_by_value("dark")
    assert background() == dark
    check_quiet(browser)


def test_studies_over_each_other_and_a_hostile_name(browser: Chrome, pages: Callable[..., str]) -> None:
    open_page(browser, pages("a", HOSTILE))
    assert browser.find_element(By.TAG_NAME, "h1").text == f"a, {HOSTILE}"
    assert script(browser, "document.scripts.length") == 6
    legend = script(browser, "document.querySelector('#views .legend').textContent")
    assert legend == f"a{HOSTILE}"
    check_quiet(browser)


def test_no_subnet_with_an_accuracy(browser: Chrome, pages: Callable[..., str]) -> None:
    open_page(browser, pages("infeasible"))
    texts = [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#views figure p")]
    assert texts == ["Nothing to draw: no subnet has values of all these objectives."] * 3
    assert "the front is empty" in browser.find_element(By.ID, "members").text
    check_quiet(browser)


@pytest.mark.parametrize("names", [("foreign",), ("old",), *((f"objectives{count}",) for count in (1, 2, 6))])
def test_unusual_studies(browser: Chrome, pages: Callable[..., str], names: tuple[str, ...]) -> None:
    open_page(browser, pages(*names))
    assert title(browser).startswith("Subnet ")
    check_quiet(browser)
