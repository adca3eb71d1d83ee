"""Settings come from the environment once, and a wrong one is named."""

from __future__ import annotations

import pytest

from fleet.settings import Settings, SettingsError


def test_defaults_are_those_of_the_architecture() -> None:
    settings = Settings.from_environment({})
    assert (settings.http_port, settings.mqtt_port, settings.coap_port) == (8080, 8883, 5683)
    assert settings.data.name == "var"
    assert settings.data.is_absolute()
    assert settings.listen == settings.http_listen == "127.0.0.1", "loopback unless told otherwise"


def test_an_empty_data_folder_is_the_default_and_never_where_one_happens_to_stand() -> None:
    assert Settings.from_environment({"LIVLINA_DATA": ""}) == Settings.from_environment({})


@pytest.mark.parametrize("value", ["", "-1", "65536", "eighty", "80 80", "８０８０"])
def test_a_port_that_is_none_is_refused_with_its_name(value: str) -> None:
    with pytest.raises(SettingsError, match="LIVLINA_HTTP_PORT"):
        Settings.from_environment({"LIVLINA_HTTP_PORT": value})


def test_the_sms_door_is_shut_unless_it_is_given_a_port() -> None:
    assert Settings.from_environment({}).hooks_port is None
    assert Settings.from_environment({"LIVLINA_HOOKS_PORT": ""}).hooks_port is None
    opened = Settings.from_environment({"LIVLINA_HOOKS_PORT": "8090"})
    assert (opened.hooks_port, opened.hooks_listen) == (8090, "127.0.0.1")
    with pytest.raises(SettingsError, match="LIVLINA_HOOKS_PORT"):
        Settings.from_environment({"LIVLINA_HOOKS_PORT": "many"})


def test_passwords_are_not_printed() -> None:
    settings = Settings.from_environment({"LIVLINA_DATABASE_URL": "postgresql://a:hemligt@db/x"})
    assert "hemligt" not in repr(settings)
    assert settings.owner_url == settings.database_url
