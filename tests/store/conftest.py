"""What the store tests of the front doors share."""

from tests.fleet_server import database, postgres  # noqa: F401
from tests.postgres_place import place, running  # noqa: F401 (fixtures)
