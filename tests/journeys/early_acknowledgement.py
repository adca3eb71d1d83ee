"""The fleet server with its first promise broken: it acknowledges before it commits.

Run as a program by the negative control of the journey test, which must then find lost presses.
"""

import logging
import sys

from fleet.app import FleetServer
from fleet.settings import Settings
from livlina.serve import serve

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    serve(
        Settings.from_environment(),
        lambda settings, url, box: FleetServer(settings, url, box, acknowledge="before_commit"),
    )
