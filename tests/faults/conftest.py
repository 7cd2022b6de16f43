"""A database server for all, the small model, and its bytes when nobody interferes."""

import pytest

from fleet import undisturbed
from postgres import Postgres
from small_model import two_block_model


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    with Postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return two_block_model(tmp_path_factory.mktemp("model") / "two-blocks")


@pytest.fixture(scope="session")
def expected(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("quiet")
    return undisturbed(folder, model)
