"""Built once for all packaging tests."""

from pathlib import Path

import pytest
from environments import Environment, build, build_editable, install


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel in an empty environment."""
    return install(wheel, tmp_path_factory.mktemp("installed") / "env")


@pytest.fixture(scope="session")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The source tree, editable, in an empty environment."""
    return install(
        build_editable(tmp_path_factory.mktemp("editable-wheel")), tmp_path_factory.mktemp("editable") / "env"
    )
