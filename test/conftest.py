"""What every test may use, and in what order the files of tests are run."""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from swiftlite.common import recon

# Machines that run tests are busy: how long an example takes says nothing of the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
# test/run says whether this code is well, not whether today's dice are: it takes the same examples each time.
settings.register_profile("steady", settings.get_profile("busy"), derandomize=True)

LONGEST_FIRST = (
    *("test_guide.py", "test_guide_repairs.py", "test_guide_migration.py"),
    *("test_trusted_listings.py", "test_real_tree.py", "test_model.py", "test_model_versions.py", "test_expirer.py"),
    *("test_reconciler.py", "test_clients.py", "test_aio.py", "test_faults.py", "test_row_quorum.py"),
    *("test_objects_tables.py", "test_account_reaper_faults.py", "test_faults_transfers.py", "test_container_sync.py"),
    *("test_replicators_in_a_cluster.py", "test_databases_tables.py", "test_init.py", "test_reload_under_load.py"),
    *("test_metrics.py", "test_daemon_life.py", "test_tracing.py", "test_tls.py"),
    *("test_peer_differences.py", "test_peer_database_differences.py", "test_peer_database_replication.py"),
    *("test_filters_tables.py", "test_peer_filters.py", "test_systemd.py"),
    *("test_uploads.py", "test_administration.py", "test_objects.py"),
    *("test_peer_cluster.py", "test_peer_expirer.py", "test_peer_links.py", "test_peer_large_objects.py"),
    *("test_peer_copy_and_versions.py", "test_peer_histories.py", "test_peer_listings.py", "test_peer_reaper.py"),
)
"""Files that take many seconds: workers of pytest-xdist that begin with them end at about the same time."""


@pytest.fixture(scope="session")
def golden() -> pathlib.Path:
    """The files that OpenStack Swift wrote; see the README beside them."""
    return pathlib.Path(__file__).parent / "golden"


@pytest.fixture(scope="session", autouse=True)
def nothing_is_told_of_this_machine() -> Iterator[None]:
    """No test writes the recon caches of the machine it runs on: a daemon's options name a directory of the test's."""
    dump = recon.dump

    def guarded(directory: str, name: str, changes: Mapping[str, Any], logger: Any) -> None:
        assert directory != recon.DEFAULT_PATH, "give the daemon a recon_cache_path"
        dump(directory, name, changes, logger)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recon, "dump", guarded)
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist take the files as they come; it would begin with those of the most tests."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, and leave the tests of a file in their order."""
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
