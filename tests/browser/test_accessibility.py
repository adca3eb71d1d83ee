"""axe finds nothing on any page, in both colour schemes and languages, narrow and wide, or zoomed; and no page is wider
than its window."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, in_contact
from tests.looks import LOOKS, Widths
from tests.web_server import Scene, WebServer

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# WCAG 1.4.10, which axe cannot judge. What lies in a box that scrolls by itself may reach further; what is placed
# absolutely lies in a box that is placed itself, and in no other.
SIDEWAYS = """() => {
  const root = document.documentElement;
  const outer = (one) => getComputedStyle(one).position === "absolute" ? one.offsetParent : one.parentElement;
  const boxed = (one) => one && one !== root && (getComputedStyle(one).overflowX !== "visible" || boxed(outer(one)));
  if (root.scrollWidth <= root.clientWidth) return [];
  const wide = [...document.querySelectorAll("body *")].filter(
    (one) => one.getBoundingClientRect().right > root.clientWidth + 0.5 && !boxed(outer(one)));
  return [`reflow: ${root.scrollWidth} px of ${root.clientWidth}: ${wide.map((one) => one.outerHTML.slice(0, 200))}`];
}"""


def violations(page: Page) -> list[str]:
    """What axe finds, and what is wider than the window."""
    assert AXE.exists(), f"{AXE} is missing: run npm ci --ignore-scripts"
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())  # by evaluate, so that the page's content security policy stays as it is
    found = page.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}}).then(result => result.violations)", TAGS
    )
    named = [f"{v['id']}: {node['html']} {node['failureSummary']}" for v in found for node in v["nodes"]]
    return named + page.evaluate(SIDEWAYS)


def test_negative_control_a_choice_wider_than_the_window_is_found(server: WebServer, open_page: Open) -> None:
    page = open_page(server, path="/login", viewport={"width": 360, "height": 820})
    page.evaluate(
        """() => {
          const box = document.querySelector("main").appendChild(document.createElement("div"));
          box.style.overflowX = "auto";
          box.appendChild(document.createElement("p")).textContent = "boxed";
          box.firstChild.style.width = "500px";
        }"""
    )
    assert not any(found.startswith("reflow:") for found in violations(page))
    page.evaluate("document.querySelector('#login').style.width = '500px'")
    [found] = (found for found in violations(page) if found.startswith("reflow:"))
    assert 'id="login"' in found and "boxed" not in found


def many_alarms(scene: Scene) -> tuple[int, int]:
    """One alarm of every look; returns a closed case and one that anna has taken."""
    town = scene.town
    wanted = [
        ("social", 1, {}), ("personal", 2, {"marks": ("silent",)}), ("social", 5, {"marks": ("clock_wrong",)}),
        ("social", 4, {"age_s": 1900, "marks": ("late", "age_lower_bound")}), ("camera", 1, {}),
        ("technical", 1, {"input": None, "priority": 4}),
        ("social", 77, {"marks": ("unknown_kind", "not_in_the_list")}),
    ]  # fmt: skip
    for unit, (unit_type, kind, odd) in enumerate(wanted, 10):
        town.unit(unit, 1, unit_type)
        town.press(unit, 1, unit_type=unit_type, kind=kind, **odd)
    town.press(10, 1)
    closed, mine, theirs, refused = (town.press(unit, 1 if unit < 3 else 2) for unit in (1, 2, 3, 4))
    for case, who in ((closed, "anna"), (mine, "anna"), (theirs, "bo")):
        scene.sql("UPDATE cases SET state = 'taken', taken_at = now(), taken_by = %s WHERE case_id = %s", who, case)
    scene.sql("UPDATE cases SET refused_by = 'Larmcentral Nord' WHERE case_id = %s", refused)
    scene.sql("UPDATE cases SET accepted_at = now(), accepted_by = 'Larmcentral Nord' WHERE case_id = %s", theirs)
    scene.sql(
        "UPDATE cases SET state = 'closed', closed_at = now(), closed_by = 'anna', outcome = 'test' WHERE case_id = %s",
        closed,
    )
    return closed, mine


@pytest.mark.parametrize(("locale", "scheme", "widths"), LOOKS)
def test_axe_finds_nothing(
    scene: Scene, server: WebServer, open_page: Open, scheme: str, locale: str, widths: Widths
) -> None:
    closed, mine = many_alarms(scene)
    page = open_page(server, path="/login", color_scheme=scheme, locale=locale, reduced_motion="reduce")
    assert page.locator("html").get_attribute("lang") == locale[:2]
    assert violations(page) == []
    page.fill("#login", "anna")
    page.fill("#password", "fel lösenord")
    page.keyboard.press("Enter")
    expect(page.locator("#fault")).to_be_visible()
    assert violations(page) == []
    page.fill("#password", "korrekt häst batteri")
    page.keyboard.press("Enter")
    in_contact(page)
    expect(page.locator(".case")).to_have_count(10)
    for width in widths:
        page.set_viewport_size({"width": width, "height": 820})
        assert violations(page) == [], width
        page.locator(f"#case-{mine} .close").click()
        page.keyboard.press("ArrowDown")
        assert violations(page) == [], f"outcomes, {width}"
        page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    server.stop()
    expect(page.locator("#loss")).to_be_visible()
    assert violations(page) == []
    server.start()
    for path in ("/operators/closed", f"/operators/cases/{closed}", "/operators/cases/999", "/nothing"):
        page.goto(server.base + path)
        for width in widths:
            page.set_viewport_size({"width": width, "height": 820})
            assert violations(page) == [], (path, width)


def test_negative_control_axe_does_find_a_fault(server: WebServer, open_page: Open) -> None:
    page = open_page(server, path="/login")
    page.evaluate("document.querySelector('label').remove()")
    assert any(found.startswith("label:") for found in violations(page))


def test_at_400_percent_nothing_runs_out_of_sight(scene: Scene, server: WebServer, open_page: Open) -> None:
    closed, mine = many_alarms(scene)
    page = open_page(server, "anna", viewport={"width": 320, "height": 256})
    expect(page.locator(".case")).to_have_count(10)
    page.locator(f"#case-{mine} .close").click()
    for path in (None, "/operators/closed", f"/operators/cases/{closed}", "/login"):
        if path:
            page.goto(server.base + path)
        assert page.evaluate(SIDEWAYS) == [], path


def test_every_row_in_focus_is_in_sight_and_every_target_is_large(
    scene: Scene, server: WebServer, open_page: Open
) -> None:
    many_alarms(scene)
    page = open_page(server, "anna", viewport={"width": 1366, "height": 660})
    expect(page.locator(".case")).to_have_count(10)
    for key in ["j"] * 10 + ["k"] * 10:
        page.keyboard.press(key)
        assert page.evaluate(
            """() => {
              const row = document.activeElement.getBoundingClientRect();
              const covered = document.querySelector('.watch').getBoundingClientRect().bottom;
              return row.top >= Math.max(0, covered) - 1 && row.bottom <= innerHeight + 1;
            }"""
        ), key
    small = page.locator("button:visible, a:visible:not(.skip)").evaluate_all(
        "all => all.filter(one => one.getBoundingClientRect().height < 24).map(one => one.outerHTML)"
    )
    assert small == []
