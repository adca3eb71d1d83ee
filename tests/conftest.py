"""What ends with the whole run."""

from tests.database import end_shared_cluster


def pytest_unconfigure() -> None:
    end_shared_cluster()
