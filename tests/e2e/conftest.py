"""One running stack for the tests that drive the product from outside."""

from collections.abc import Iterator

import pytest

from tests.support.stack import RunningStack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """`todoenbalance up` with its demo data, shared by the tests of this worker."""
    running = RunningStack(tmp_path_factory.mktemp("stack") / "data")
    running.start()
    yield running
    assert running.stop() == 0
