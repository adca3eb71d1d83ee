"""Pages on which an administrator sets up centres, services and districts, and a fleet owner brings units in."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from fleet.store.embedded_postgres import EmbeddedPostgres
from tests.api_callers import INSTALLATION, sign_in
from tests.api_town import FOREIGN, OWN, ApiTown, api_town
from tests.database import fresh_database

HTML = {"Accept": "text/html", "Accept-Language": "sv"}
KEY = "5ec4e75ec4e75ec4e75ec4e75ec4e75e"


@pytest.fixture(scope="module")
def town(postgres: EmbeddedPostgres) -> Iterator[ApiTown]:
    with fresh_database(postgres) as database, api_town(database) as made:
        made.ids["cookies"] = sign_in(made)
        yield made


def pages(town: ApiTown, caller: str) -> httpx.Client:
    """A browser of this caller's, following redirects, in Swedish."""
    return httpx.Client(
        base_url=town.base, cookies=town.ids["cookies"][caller], headers=HTML, timeout=60, follow_redirects=True
    )


def test_a_file_is_looked_at_before_it_is_written_and_must_be_the_same(town: ApiTown) -> None:
    head = "kind,municipality,reference,priority,unit,type,life,recipient\n"
    good = f"{head}recipient,{OWN},PG-1,2,,,,\nunit,{OWN},,,0000aa01,social,in_stock,\n"
    bad = f"{head}unit,{OWN},,,0000aa02,social,active,\nrecipient,{FOREIGN},PG-2,9,,,,\n"
    with pages(town, "fleet_owner") as owner:
        assert 'type="file"' in owner.get("/import").text

        def send(text: str, name: str = "fleet.csv", **more: str) -> httpx.Response:
            return owner.post("/import", files={"file": (name, text.encode(), "text/csv")}, data=more)

        wrong = send(bad).text
        assert "Inget skrivs så länge någon rad är fel" in wrong and "skriv ett heltal från 1 till 5" in wrong
        assert "är varken made, in_stock eller assigned" in wrong and 'name="looked"' not in wrong
        looked = send(good).text
        assert "Skulle skrivas:" in looked and "Inget har skrivits än" in looked
        found = re.search(r'name="looked" value="([0-9a-f]{64})"', looked)
        assert found is not None and town.sql("SELECT 1 FROM units WHERE unit_id = %s", 0xAA01) == []
        other = send(good.replace("PG-1", "PG-3"), write="1", looked=found[1]).text
        assert "en annan fil" in other and town.sql("SELECT 1 FROM units WHERE unit_id = %s", 0xAA01) == []
        wishes = send(good, write="1", looked=found[1], partial="1").text
        assert "en annan fil" in wishes and town.sql("SELECT 1 FROM units WHERE unit_id = %s", 0xAA01) == []
        assert "Skrivet:" in send(good, write="1", looked=found[1]).text
        assert town.sql("SELECT life FROM units WHERE unit_id = %s", 0xAA01) == [("in_stock",)]
        assert send(good, name="fleet.txt").status_code == 422
        assert owner.post("/import", data={"write": "1"}).status_code == 422
        assert send("{", name="fleet.json").status_code == 422
    with pages(town, "technician") as technician:
        assert technician.get("/import").status_code == 403


def test_districts_and_services_are_set_up_on_their_page(town: ApiTown) -> None:
    with pages(town, "administrator") as client:
        assert "Tillagt." in client.post("/services/districts", data={"municipality": OWN, "name": "Viken"}).text
        ((number,),) = town.sql("SELECT district_id FROM districts WHERE name = 'Viken'")
        assert "annat namn" in client.post(f"/services/districts/{number}/name", data={"name": "Udden"}).text
        assert "Udden" in client.get("/services").text
        wrong = client.post(f"/services/districts/{number}/end", data={"into": str(number)}).text
        assert "Välj ett annat distrikt" in wrong
        assert "Borttaget." in client.post(f"/services/districts/{number}/end").text
        assert "finns inte" in client.post(f"/services/districts/{number}/name", data={"name": "Ö"}).text
        assert "Välj en kommun" in client.post("/services/districts", data={"municipality": FOREIGN, "name": "X"}).text
        assert client.post("/services/districts", data={"municipality": OWN, "name": "a\0b"}).status_code == 422
        assert "ingen av era centraler" in client.post("/services/centres", data={"name": "Väst"}).text
        assert "Vart larm skickas" not in client.get("/services").text
    with pages(town, INSTALLATION) as client:
        assert "Tillagt." in client.post("/services/centres", data={"name": "Väst"}).text
        choice = {"municipality": OWN, "service": "alarm_reception", "centre": "Väst", "hours": "any"}
        assert "Inställt." in client.post("/services", data=choice).text
        for wrong_time in ({"from_time": "25:00"}, {"from_day": "7"}, {"from_day": "6", "to_day": "0"}):
            assert "inga tider i veckan" in client.post("/services", data={**choice, **wrong_time}).text
        assert "Väst" in client.get("/services").text
        provider = {"municipality": OWN, "name": "Kommunen", "issuer": "https://id.example", "client_id": "livlina"}
        assert "Tillagt." in client.post("/services/providers", data={**provider, "client_secret": KEY}).text
        assert "https://id.example" in client.get("/services").text and KEY not in client.get("/services").text
        ((number,),) = town.sql("SELECT provider_id FROM identity_providers WHERE name = 'Kommunen'")
        assert "Avslutat." in client.post(f"/services/providers/{number}/end").text
        assert (
            "identitetsleverantör" in client.post("/services/providers", data={**provider, "issuer": "http://x"}).text
        )


def test_where_alarms_are_sent_to_is_set_up_on_a_page_and_a_secret_is_never_shown(town: ApiTown) -> None:
    form = {
        "name": "Södra", "protocol": "dc09", "to": "192.0.2.8:7000", "municipality": str(OWN), "rank": "2",
        "options": "transport=tcp\nutf8=yes", "secret": KEY, "reports_taken": "webhook",
    }  # fmt: skip
    with pages(town, "administrator") as local:
        assert local.get("/centres/setup").status_code == 403
        assert local.post("/centres/setup", data=form).status_code == 403
    with pages(town, INSTALLATION) as client:
        refused = client.post("/centres/setup", data={**form, "options": "strange=1"})
        assert refused.status_code == 422 and KEY not in refused.text
        assert client.post("/centres/setup", data={**form, "municipality": ""}).status_code == 422
        made = client.post("/centres/setup", data=form)
        assert made.status_code == 200 and "Inställt." in made.text and KEY not in made.text
        assert 'class="code secret"' in made.text, "a centre that calls the webhook is given its token once"
        shown = client.get("/centres/setup").text
        assert "192.0.2.8:7000" in shown and "utf8=True" in shown and "finns, förseglad" in shown and KEY not in shown
        ((number,),) = town.sql("SELECT centre_id FROM centres WHERE name = 'Södra'")
        assert 'class="code secret"' in client.post(f"/centres/setup/{number}/token").text
        assert client.post(f"/centres/setup/{number}/end").status_code == 409
        assert client.post("/centres/setup/99999/token").status_code == 404


def test_a_recipient_is_changed_where_nobody_has_changed_it_meanwhile(town: ApiTown) -> None:
    number = town.ids["recipient:own"]
    with pages(town, "fleet_owner") as owner:
        found = re.search(r'name="seen" value="([^"]+)"', owner.get(f"/recipients/{number}").text)
        assert found is not None
        form = {"seen": found[1].replace("&#34;", '"'), "priority": "4", "district": "Nya Norr"}
        assert "Ändrat." in owner.post(f"/recipients/{number}/change", data=form).text
        kept = "SELECT priority, district, protected FROM care_recipients WHERE recipient_id = %s"
        assert town.sql(kept, number) == [(4, "Nya Norr", False)]
        assert "har ändrat det under tiden" in owner.post(f"/recipients/{number}/change", data=form).text
        assert owner.post(f"/recipients/{town.ids['recipient:foreign']}/change", data=form).status_code == 404
    with pages(town, "operator") as operator:
        assert operator.post(f"/recipients/{number}/change", data=form).status_code == 403
