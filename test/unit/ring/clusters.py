"""Clusters for the tests of targets and builders: devices in regions, zones and servers, of any weight."""

from hypothesis import strategies as st


def device(index=None, region=1, zone=1, ip="10.0.0.1", weight=100.0):
    """A device as the builder takes it; each has a name of its own."""
    made = {
        "region": region, "zone": zone, "ip": ip, "port": 6200, "device": f"sd{device.names}", "weight": weight,
        "replication_ip": ip, "replication_port": 6200, "meta": "",
    }  # fmt: skip
    device.names += 1
    return made if index is None else {**made, "id": index}


device.names = 0

WEIGHTS = st.sampled_from([1.0, 1.0, 1.0, 2.0, 0.3, 7.5, 1000.0])


@st.composite
def any_device(draw, index=None, weights=WEIGHTS):
    return device(
        index, draw(st.integers(1, 2)), draw(st.integers(1, 3)), f"10.0.0.{draw(st.integers(1, 3))}", draw(weights)
    )


@st.composite
def any_cluster(draw, least=3, most=12, weights=WEIGHTS):
    return [draw(any_device(index, weights)) for index in range(draw(st.integers(least, most)))]
