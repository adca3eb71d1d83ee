"""What the store tests of the front doors share."""

from tests.fleet_server import database, postgres  # noqa: F401
