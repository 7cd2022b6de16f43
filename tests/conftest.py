"""Fixtures of the end-to-end tests: a service for one test, and one that a whole module shares."""

import pytest

from cluster import Cluster


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as service:
        yield service


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A running coordinator with two workers, shared by the tests of a module."""
    with Cluster(tmp_path_factory.mktemp("service")) as running:
        yield running.start(workers=2)
