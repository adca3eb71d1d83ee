"""What the fault tests of the front doors share."""

from tests.fleet_server import database  # noqa: F401
from tests.fleet_server import own_postgres as postgres  # noqa: F401
