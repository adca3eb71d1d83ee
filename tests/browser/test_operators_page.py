"""What an operator does and sees: an alarm comes, is taken and closed by keyboard; contact is lost and comes back."""

from __future__ import annotations

import signal

from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import Open, in_contact
from tests.web_server import Scene, WebServer, until


def row(page: Page, case: int) -> str:
    return f"#case-{case}"


def focused_case(page: Page) -> str | None:
    found = page.evaluate("document.activeElement?.closest('.case')?.dataset.case ?? null")
    return None if found is None else str(found)


def test_an_alarm_arrives_without_reload_and_is_taken_and_closed_by_keyboard(
    scene: Scene, server: WebServer, open_page: Open
) -> None:
    anna, bo = open_page(server, "anna"), open_page(server, "bo", locale="en-GB")
    for page in (anna, bo):
        expect(page.locator("#waiting .case")).to_have_count(0)
    expect(anna.locator("#oldest-age")).to_have_text("Ingen väntar")
    marker = anna.evaluate("window.marker = Math.random()")
    case = scene.town.press(1, 1, marks=("clock_wrong",))
    for page, words in (
        (anna, ("2 Hög", "Larmtryck", "larmknapp 1", "Kristianstad", "Trygghetslarm", "Enhetens klocka går fel")),
        (bo, ("2 High", "Button pressed", "pendant 1", "Kristianstad", "Social alarm", "Unit's clock is wrong")),
    ):
        expect(page.locator(f"#waiting {row(page, case)}")).to_be_visible()
        for word in (*words, "00000001"):
            expect(page.locator(row(page, case))).to_contain_text(word)
    expect(anna).to_have_title("● 1 väntar – Livlina")
    expect(anna.locator('.counts li[data-priority="2"] .count')).to_have_text("1")
    expect(anna.locator("#oldest-what")).to_contain_text("2 Hög · Kristianstad · 00000001")
    expect(anna.locator("#say")).to_contain_text("Nytt larm: 2 Hög, Larmtryck, enhet 00000001")
    first_age = anna.locator(f"{row(anna, case)} .age").inner_text()
    expect(anna.locator(f"{row(anna, case)} .age")).not_to_have_text(first_age)  # it counts

    anna.keyboard.press("t")  # no case in focus: nothing is taken, the first case gets the focus
    assert focused_case(anna) == str(case)
    expect(bo.locator(f"#waiting {row(bo, case)}")).to_be_visible()
    anna.keyboard.press("t")
    expect(anna.locator(f"#taken {row(anna, case)} .who")).to_contain_text("Du har det sedan")
    expect(bo.locator(f"#taken {row(bo, case)} .who")).to_contain_text("anna has it since")
    assert focused_case(anna) == str(case)  # the row has moved, the focus with it

    anna.keyboard.press("c")
    expect(anna.locator(f"{row(anna, case)} .choices")).to_be_visible()
    anna.keyboard.press("Escape")
    expect(anna.locator(f"{row(anna, case)} .choices")).to_be_hidden()
    assert focused_case(anna) == str(case)
    anna.keyboard.press("c")
    anna.keyboard.press("ArrowDown")
    anna.keyboard.press("Enter")
    for page in (anna, bo):
        expect(page.locator(".case")).to_have_count(0)
    assert scene.sql("SELECT closed_by, outcome FROM cases") == [("anna", "false_alarm")]
    assert anna.evaluate("window.marker") == marker  # never reloaded
    until(
        lambda: (
            scene.sql("SELECT max(shown_position) FROM web_sessions") == scene.sql("SELECT max(position) FROM case_log")
        ),
        "the display receipt",
    )


def test_the_first_wins_and_the_other_is_told_who(scene: Scene, server: WebServer, open_page: Open) -> None:
    anna, bo = open_page(server, "anna"), open_page(server, "bo")
    case = scene.town.press(1, 1)
    take = f"{row(anna, case)} .take"
    expect(bo.locator(take)).to_be_visible()
    held: list[Request] = []
    bo.route("**/take", lambda route: (held.append(route.request), route.continue_()))
    bo.locator(take).evaluate("button => { window.aside = button; }")
    anna.locator(take).click()
    expect(bo.locator(f"#taken {row(bo, case)} .who")).to_contain_text("anna har det sedan")
    assert not held
    late = bo.evaluate(
        "id => fetch(`/api/cases/${id}/take`, {method: 'POST', body: '{}',"
        " headers: {'Content-Type': 'application/json'}}).then(answer => answer.json())",
        case,
    )
    assert (late["status"], late["case"]["taken_by"]) == (409, "anna")


def test_a_button_waits_for_the_event_and_a_press_on_a_taken_case_opens_it_again(
    scene: Scene, server: WebServer, open_page: Open
) -> None:
    anna = open_page(server, "anna")
    case = scene.town.press(1, 1)
    anna.route("**/take", lambda route: route.abort())
    anna.locator(f"{row(anna, case)} .take").click()
    expect(anna.locator(f"{row(anna, case)} .row-fault")).to_contain_text("Servern svarade inte")
    expect(anna.locator(f"{row(anna, case)} .take")).not_to_have_attribute("aria-disabled", "true")
    anna.unroute("**/take")
    anna.locator(f"{row(anna, case)} .take").click()
    expect(anna.locator(f"#taken {row(anna, case)}")).to_be_visible()
    scene.town.press(1, 1)
    expect(anna.locator(f"#waiting {row(anna, case)}")).to_contain_text("2 tryck")
    expect(anna.locator(f"#waiting {row(anna, case)} .who")).to_have_text("anna hade det före detta tryck")
    expect(anna.locator(f"#waiting {row(anna, case)}")).to_contain_text("1 Akut")
    expect(anna.locator("#shout")).to_contain_text("Tryckt igen")


def test_rows_are_ordered_and_focus_survives_what_others_do(scene: Scene, server: WebServer, open_page: Open) -> None:
    anna, bo = open_page(server, "anna"), open_page(server, "bo")
    normal = scene.town.press(2, 1, unit_type="camera")
    high = scene.town.press(1, 1)
    expect(anna.locator(".case")).to_have_count(2)
    anna.keyboard.press("j")
    assert focused_case(anna) == str(high)
    anna.keyboard.press("ArrowDown")
    assert focused_case(anna) == str(normal)
    acute = scene.town.press(3, 2, kind=2)
    expect(anna.locator(".case")).to_have_count(3)
    listed = anna.locator(".case").evaluate_all("rows => rows.map(row => Number(row.dataset.case))")
    assert listed == [acute, high, normal]
    assert focused_case(anna) == str(normal)
    expect(anna.locator("#shout")).to_contain_text("Nytt larm: 1 Akut, Överfallslarm")
    # Somebody else takes and closes the case in focus: the focus goes to a neighbour, never to the top of the page.
    bo.locator(f"{row(bo, normal)} .take").click()
    expect(bo.locator(f"#taken {row(bo, normal)}")).to_be_visible()
    bo.keyboard.press("c")
    bo.locator(f"{row(bo, normal)} [data-outcome=test]").click()
    expect(anna.locator(".case")).to_have_count(2)
    assert focused_case(anna) == str(high)


def test_a_press_on_a_row_that_slid_under_the_pointer_does_nothing(
    scene: Scene, server: WebServer, open_page: Open
) -> None:
    anna = open_page(server, "anna")
    high = scene.town.press(1, 1)
    expect(anna.locator(row(anna, high))).to_be_visible()
    anna.evaluate(
        """id => new MutationObserver((_, observer) => {
             observer.disconnect();
             const press = new MouseEvent('click', {bubbles: true, detail: 1});
             document.querySelector(`#case-${id} .take`).dispatchEvent(press);
           }).observe(document.querySelector('#waiting'), {childList: true})""",
        high,
    )
    scene.town.press(3, 2, kind=2)  # comes above, and pushes the row down
    expect(anna.locator(f"{row(anna, high)} .row-fault")).to_contain_text("Raderna flyttades")
    assert scene.sql("SELECT count(*) FROM cases WHERE state = 'taken'") == [(0,)]
    # Negative control: once the rows lie still, the same press takes it.
    anna.wait_for_function(
        "id => { document.querySelector(`#case-${id} .take`).dispatchEvent("
        "new MouseEvent('click', {bubbles: true, detail: 1})); return document.querySelector(`#taken #case-${id}`); }",
        arg=high,
    )


def test_contact_is_lost_and_comes_back_with_nothing_missing(scene: Scene, server: WebServer, open_page: Open) -> None:
    anna = open_page(server, "anna")
    anna.locator("#shift").click()
    seen = scene.town.press(1, 1)
    expect(anna.locator(row(anna, seen))).to_be_visible()
    for how in ("killed", "silent"):
        if how == "killed":
            server.stop(signal.SIGKILL)
        else:
            server.pause()
        loss = anna.locator("#loss")
        expect(loss).to_be_visible()
        expect(loss).to_contain_text("Ingen kontakt med servern sedan")
        expect(loss).to_contain_text("Använd reservrutinen nu")
        assert loss.get_attribute("role") == "alert"
        expect(anna.locator("#contact")).to_have_attribute("data-state", "lost")
        expect(anna).to_have_title("✖ INGEN KONTAKT – Livlina")
        anna.wait_for_function("() => window.heard.includes(220)")  # the sound of loss
        anna.evaluate("window.heard.length = 0")
        missed = scene.town.press(2 if how == "killed" else 3, 1 if how == "killed" else 2)
        if how == "killed":
            server.start()
        else:
            server.go_on()
        in_contact(anna)
        expect(loss).to_be_hidden()
        expect(anna.locator(f"#waiting {row(anna, missed)}")).to_be_visible()
    expect(anna.locator(".case")).to_have_count(3)


def test_the_page_is_never_green_without_a_beat(scene: Scene, open_page: Open) -> None:
    server = scene.server(fresh=-1)  # the stream opens and tells of cases, but no beat is ever sent
    case = scene.town.press(1, 1)
    anna = open_page(server, path="/login")
    anna.add_init_script(
        """window.states = [];
        addEventListener('DOMContentLoaded', () => {
          const note = () => window.states.push(document.querySelector('#contact')?.dataset.state);
          note();
          const what = {subtree: true, attributes: true, attributeFilter: ['data-state']};
          new MutationObserver(note).observe(document.body, what);
        });"""
    )
    anna.fill("#login", "anna")
    anna.fill("#password", "korrekt häst batteri")
    anna.keyboard.press("Enter")
    expect(anna.locator(row(anna, case))).to_be_visible()
    expect(anna.locator("#loss")).to_be_visible()
    states = set(anna.evaluate("window.states"))
    assert "unknown" in states
    assert "ok" not in states


def test_sound_needs_a_press_and_its_loss_is_loud(scene: Scene, server: WebServer, open_page: Open) -> None:
    anna = open_page(server, "anna")
    expect(anna.locator("#sound-off")).to_contain_text("Ljudet är av")
    case = scene.town.press(1, 1)
    expect(anna.locator(row(anna, case))).to_be_visible()
    assert anna.evaluate("window.contexts.length") == 0  # before the button there is not even a context
    anna.locator("#shift").click()
    expect(anna.locator("#sound-off")).to_be_hidden()
    expect(anna.locator("#sound")).to_have_text("Ljudet är på")
    expect(anna.locator("#hint")).to_contain_text("tre toner")
    anna.wait_for_function("() => [523, 659, 784].every(tone => window.heard.includes(tone))")
    anna.wait_for_function("() => window.heard.filter(tone => tone === 784).length >= 3")  # and the waiting alarm's own
    scene.town.press(1, 1)  # raised to acute
    anna.wait_for_function("() => window.heard.includes(988)")
    anna.evaluate("window.contexts[0].suspend()")
    expect(anna.locator("#sound-off")).to_be_visible()
    anna.locator("#shift").click()
    expect(anna.locator("#sound-off")).to_be_hidden()
    anna.locator("#shift-end").click()
    expect(anna.locator("#sound-off")).to_be_visible()


def test_a_log_in_that_ended_is_told(scene: Scene, server: WebServer, open_page: Open) -> None:
    anna = open_page(server, "anna")
    scene.sql("DELETE FROM web_sessions")
    expect(anna.locator("#loss")).to_contain_text("Du är utloggad")
    expect(anna.locator("#contact")).to_have_attribute("data-state", "ended")
    anna.locator("#loss a").click()
    expect(anna.locator("#password")).to_be_visible()


def test_single_keys_can_be_switched_off(scene: Scene, server: WebServer, open_page: Open) -> None:
    anna = open_page(server, "anna")
    scene.town.press(1, 1)
    expect(anna.locator(".case")).to_have_count(1)
    anna.keyboard.press("?")
    anna.locator("#keys").uncheck()
    anna.keyboard.press("Escape")
    expect(anna.locator("#help")).to_be_hidden()
    anna.keyboard.press("ArrowDown")
    anna.keyboard.press("t")
    anna.keyboard.press("Tab")  # the row's own button still is one step away
    anna.keyboard.press("Enter")
    expect(anna.locator("#taken .case")).to_have_count(1)
    assert scene.sql("SELECT count(*) FROM case_log WHERE change = 'taken'") == [(1,)]


def test_closed_cases_page_on_with_htmx_and_without_scripts(scene: Scene, server: WebServer, open_page: Open) -> None:
    scene.closed_cases(60)
    anna = open_page(server, "anna", path="/operators/closed")
    expect(anna.locator("tr[data-case]")).to_have_count(25)
    anna.evaluate("window.marker = 1")
    for count in (50, 60):
        anna.locator("#older a").click()
        expect(anna.locator("tr[data-case]")).to_have_count(count)
    assert anna.evaluate("window.marker") == 1
    expect(anna.locator("#older")).to_have_count(0)
    plain = open_page(server, "anna", path="/operators/closed", java_script_enabled=False)
    plain.locator("#older a").click()
    expect(plain.locator("tr[data-case]")).to_have_count(25)
    plain.locator("tr[data-case] a").first.click()
    expect(plain.locator("h1")).to_contain_text("ärende 35")
