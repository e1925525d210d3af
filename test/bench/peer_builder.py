"""OpenStack Swift's RingBuilder behind a pipe; run by the peer's interpreter.

Each line of stdin is a JSON object. ``create`` makes a builder, ``change`` applies a step (histories.py), ``rebalance``
rebalances with a seed and writes the assignments, row after row of 16-bit device ids, into the file it names; each is
answered by one line with the seconds of a processor it took.
"""

import json
import sys
import time

from swift.common.ring import RingBuilder


def change(builder, step):
    """Do what a step says."""
    if step["overload"] is not None:
        builder.set_overload(step["overload"])
    for device_id in step["removed"]:
        builder.remove_dev(device_id)
    for device in step["added"]:
        builder.add_dev(device)
    for device_id, weight in step["weights"].items():
        builder.set_dev_weight(int(device_id), weight)


def rebalance(builder, path, seed):
    """Rebalance as soon as may be; write the assignments down."""
    builder.pretend_min_part_hours_passed()
    began = time.process_time()
    builder.rebalance(seed=seed)
    seconds = time.process_time() - began
    with open(path, "wb") as file:
        for row in builder._replica2part2dev:
            row.tofile(file)
    return seconds


def main():
    """Serve until stdin ends."""
    builder = None
    for line in sys.stdin:
        request = json.loads(line)
        seconds = 0.0
        if "create" in request:
            builder = RingBuilder(*request["create"])
        elif "change" in request:
            change(builder, request["change"])
        else:
            seconds = rebalance(builder, request["rebalance"], request["seed"])
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
