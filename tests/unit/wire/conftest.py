"""The oracle tests read the same vectors and messages as the tests that run on both engines."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "both"))
