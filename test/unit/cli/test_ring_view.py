"""What the ring builder shows a person: pure text, for terminals and pipes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swiftlite.cli.ring_view import Look, Outlook, Quality, balance_of, bar, moves_report, next_steps, tree, wrapped
from swiftlite.ring.moves import Moves

GOOD = Quality(0.5, 0.0)


def device(number, ip="10.0.0.1", **more):
    return {
        "id": number, "region": 1, "zone": 1, "ip": ip, "port": 6200, "replication_ip": ip, "replication_port": 6200,
        "device": f"sd{number}", "weight": 100.0, "parts": 10, "meta": "", **more,
    }  # fmt: skip


DEVICES = [
    device(0),
    device(2, "10.0.0.2", parts=15, meta="rack 7"),
    device(1, replication_ip="10.9.0.1"),
    device(3, "fe80::1", region=2, zone=4, weight=0.0, parts=3),
    device(4, "fe80::1", region=2, zone=4, parts=5),
]


def test_a_tree():
    assert tree(DEVICES, 0.1, {3}, Look()).split("\n") == [
        "device           id  weight  partitions  balance",
        "region 1             300.00          35   16.67%  ##########|##",
        "  zone 1             300.00          35   16.67%  ##########|##",
        "    10.0.0.1         200.00          20    0.00%  ##########|",
        "      :6200/sd0   0  100.00          10    0.00%  ##########|",
        "      :6200/sd1   1  100.00          10    0.00%  ##########|       R10.9.0.1:6200",
        "    10.0.0.2         100.00          15   50.00%  ##########|#####",
        "      :6200/sd2   2  100.00          15   50.00%  ##########|#####  rack 7",
        "region 2             100.00           8  -20.00%  ########..|",
        "  zone 4             100.00           8  -20.00%  ########..|",
        "    fe80::1          100.00           8  -20.00%  ########..|",
        "      :6200/sd3   3    0.00           3  999.99%  ##########|#####  DEL",
        "      :6200/sd4   4  100.00           5  -50.00%  #####.....|",
    ]


def test_a_ring_without_anything():
    assert tree([], 0.0, (), Look()) == "device  id  weight  partitions  balance"
    assert "#" not in tree([device(0, weight=0.0, parts=0)], 0.0, (), Look())


def test_a_terminal():
    assert "█████░░░░░|" in tree(DEVICES, 0.1, (), Look(200, False))
    without_bars = tree(DEVICES, 0.1, (), Look(64, False))
    assert "|" not in without_bars
    assert without_bars.split("\n")[7].endswith("50.00%  rack 7")
    cut = tree([device(0, meta="x" * 100)], 0.1, (), Look(60, True)).split("\n")[-1]
    assert (len(cut), cut[-4:]) == (60, "x...")


@given(
    st.lists(
        st.builds(device, st.integers(0, 99), meta=st.text(max_size=30).map(lambda text: text.replace("\n", " "))),
        max_size=8,
    ),
    st.integers(20, 200),
    st.booleans(),
)
def test_no_line_is_longer_than_the_terminal(devices, width, is_plain):
    assert all(len(line) <= width for line in tree(devices, 0.1, (), Look(width, is_plain)).split("\n"))


@given(st.floats(-100, 1e9))
def test_bars_are_of_one_length(balance):
    assert len(bar(balance, True)) == len(bar(0.0, False)) == 16


@pytest.mark.parametrize(
    ("parts", "weight", "share", "balance"),
    [
        (10, 100, 0.1, 0.0),
        (5, 100, 0.1, -50.0),
        (0, 100, 0.1, -100.0),
        (3, 0, 0.1, 999.99),
        (0, 0, 0.1, 0.0),
        (0, 5, 0.0, 0.0),
    ],
)
def test_balance(parts, weight, share, balance):
    assert balance_of(parts, weight, share) == pytest.approx(balance)


def test_a_report_of_moves():
    moves = Moves(removed=3, spread=1, balanced=2, gained=Counter({1: 5, 2: 1}), lost=Counter({9: 3, 3: 2, 2: 1}))
    report = moves_report(moves, Quality(40.0, 2.0), GOOD, {1: "one", 3: "three", 9: "nine"})
    assert report == [
        "          3 replicas moved from devices that are removed",
        "          1 replicas moved to lie further apart",
        "          2 replicas moved for balance",
        "         +5 one",
        "         -3 nine",
        "         -2 three",
        "  Balance was 40.00, is 0.50; dispersion was 2.00, is 0.00",
    ]
    assert moves_report(Moves(), GOOD, GOOD, {}) == []
    first = moves_report(Moves(placed=192, gained=Counter({1: 192})), GOOD, GOOD, {})
    assert first == ["        192 replicas placed for the first time"]


def test_a_long_report_is_cut():
    gained = Counter(dict.fromkeys(range(30), 1))
    report = moves_report(Moves(balanced=30, gained=gained), GOOD, GOOD, {})
    assert len(report) == 13
    assert report[-2] == "            and 20 other devices"


def outlook(balance=0.0, dispersion=0.0, overload=0.0, required=0.0, unfinished=False):
    return Outlook(Quality(balance, dispersion), overload, required, 24, unfinished, "object.ring.gz")


@pytest.mark.parametrize(
    ("given", "words", "unheard"),
    [
        (outlook(), ["Distribute object.ring.gz"], ["wait", "cannot"]),
        (outlook(dispersion=3, required=0.0312), ["set_overload 3.2%", "wait for at least 24 hours"], ["cannot"]),
        (outlook(dispersion=3, overload=0.1, required=0.05), ["too close together", "wait"], ["set_overload"]),
        (outlook(balance=20, unfinished=True), ["can improve", "24 hours"], ["cannot"]),
        (outlook(balance=20), ["cannot improve"], ["wait"]),
        (outlook(balance=20, overload=0.2), [], ["improve"]),
    ],
)
def test_what_to_do_next(given, words, unheard):
    text = "\n".join(next_steps(given))
    assert all(word in text for word in ["Distribute", *words])
    assert not any(word in text for word in unheard)


def test_advice_fits_the_terminal():
    steps = next_steps(outlook(dispersion=3, overload=0.1, required=0.2))
    lines = wrapped(steps, Look(width=40))
    assert max(map(len, lines)) <= 40
    assert " ".join(line.strip() for line in lines) == " ".join(steps)
    assert wrapped(steps, Look()) == steps
