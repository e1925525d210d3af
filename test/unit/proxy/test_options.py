"""Specifies what a proxy's conf may say of node order, and what a policy's section may say anew."""

import pytest

from swiftlite.common.config import ConfigError, read_options
from swiftlite.common.policies import StoragePolicies, StoragePolicy
from swiftlite.core.affinity import ReadAffinity, WriteAffinity
from swiftlite.proxy.options import NodeCount, ProxyOptions, read_policy_options

POLICIES = StoragePolicies([StoragePolicy(0, "gold", is_default=True), StoragePolicy(3, "far")])


def options(**values):
    return read_options(ProxyOptions, values, "proxy.conf", "app:proxy-server")


def test_what_operators_write():
    found = options(
        sorting_method=" Affinity",
        read_affinity="r1z1=100, r2=200",
        write_affinity="r1, r2z2",
        write_affinity_node_count="2 * Replicas",
        write_affinity_handoff_delete_count="AUTO",
        concurrent_gets="on",
        concurrency_timeout="0.3",
        timing_expiry="10",
    )
    assert found.sorting_method == "affinity"
    assert found.read_affinity == ReadAffinity("r1z1=100,r2=200")
    assert found.write_affinity == WriteAffinity("r1,r2z2")
    assert found.write_affinity_node_count == NodeCount(2, True)
    assert found.write_affinity_handoff_delete_count is None
    assert (found.concurrent_gets, found.concurrency_timeout, found.timing_expiry) == (True, 0.3, 10.0)
    assert options(write_affinity_handoff_delete_count="2").write_affinity_handoff_delete_count == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sorting_method", "random"),
        ("read_affinity", "r1"),
        ("write_affinity", "r1=1"),
        ("write_affinity_node_count", "many"),
        ("write_affinity_handoff_delete_count", "some"),
        ("concurrent_gets", "perhaps"),
        ("concurrency_timeout", "soon"),
    ],
)
def test_what_does_not_fit_is_named(name, text):
    with pytest.raises(ConfigError) as caught:
        options(**{name: text})
    assert str(caught.value).startswith(f"proxy.conf [app:proxy-server] {name}: {text!r} does not fit")


@pytest.fixture
def policy_options(tmp_path):
    def read(text, **values):
        file = tmp_path / "proxy.conf"
        file.write_text(text)
        return read_policy_options(values, str(file), "app:proxy-server", POLICIES)

    return read


def test_a_policy_has_its_own_options_over_those_of_the_proxy(policy_options):
    text = "[app:proxy-server]\n[proxy-server:policy:3]\nread_affinity = r2=1\n[other-server:policy:0]\n"
    found = policy_options(text, sorting_method="affinity", read_affinity="r1=1", write_affinity="r1")
    assert list(found) == [3]
    assert found[3].sorting_method == "affinity"
    assert found[3].read_affinity == ReadAffinity("r2=1")
    assert found[3].write_affinity == WriteAffinity("r1")


@pytest.mark.parametrize("index", ["1", "far", "", "-1"])
def test_a_section_of_no_policy_is_refused(policy_options, index):
    with pytest.raises(ConfigError, match=rf"\[proxy-server:policy:{index}\]: there is no storage policy"):
        policy_options(f"[proxy-server:policy:{index}]\n")


def test_a_policys_option_that_does_not_fit_is_named(policy_options):
    with pytest.raises(ConfigError, match=r"\[proxy-server:policy:0\] sorting_method: 'x' does not fit"):
        policy_options("[proxy-server:policy:0]\nsorting_method = x\n")
