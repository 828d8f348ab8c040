"""Measures how near 64 actors of Ray come to the ideal time, and what the driver's memory does.

The actors hold a stand-in for a model that sleeps as long as its tokens would take, so 64 of them
have room on two cores. The lengths are those of published responses where ``LLMJUDGE_REAL_DATA``
names them, else drawn from a distribution like theirs. The ideal is the time of all tokens divided
by the actors, or that of the longest answer. Then the driver gives out many more units that take no
time, and its memory is read as the results come.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from pytest_llmjudge.generation.cluster.connection import Cluster, connect
from pytest_llmjudge.generation.cluster.work import Job, Pool
from tests.support.cluster_work import MakeSleeper

PROMPT = "Below is an instruction that describes a task. " * 12
"""About as long as a prompt of the lecture."""


def real_lengths(count: int) -> list[int]:
    """Draw lengths in tokens, of about four characters each."""
    drawn = random.Random(1)  # noqa: S311  # not for secrets
    data = os.environ.get("LLMJUDGE_REAL_DATA")
    if data is None:
        return [1 + int(drawn.lognormvariate(3.4, 0.8)) for _ in range(count)]
    file = Path(data, "instructions/instruction-data-with-response.json")
    records = json.loads(file.read_text("utf-8"))
    return drawn.choices([1 + len(record["model_response"]) // 4 for record in records], k=count)


def wait_for_all(pool: Pool, actors: int) -> None:
    """Have short units computed until each actor has taken part."""
    seen: set[int] = set()
    while len(seen) < actors:
        units = Job("where", [1] * actors, [1.0] * actors)
        seen |= {process for _, (process, *_) in pool.run(units)}


def measure_time(cluster: Cluster, actors: int, records: int, seconds: float) -> None:
    """Print the ideal time as a share of the time that it took."""
    lengths = real_lengths(records)
    pool = cluster.pool(MakeSleeper(), {})
    wait_for_all(pool, actors)
    per_token = seconds * actors / sum(lengths)
    ideal = max(sum(lengths) / actors, *lengths) * per_token
    job = Job("sleep", lengths, [float(length) for length in lengths], {"seconds": per_token})
    start = time.perf_counter()
    results = sorted(pool.run(job))
    taken = time.perf_counter() - start
    assert results == list(enumerate(lengths))  # noqa: S101  # the measurement of something else
    print(f"{actors} actors, {records} records: {taken:.1f} s, ideal {ideal:.1f} s", end="")
    print(f", {ideal / taken:.3f} of it")


def measure_memory(cluster: Cluster, units: int) -> None:
    """Print how far the driver's memory grows while results come."""
    pool = cluster.pool(MakeSleeper(), {})
    prompts = [f"{PROMPT}{number}" for number in range(units)]
    driver, sizes = psutil.Process(), []
    for count, _ in enumerate(pool.run(Job("echo", prompts, [1.0] * units))):
        if count % 1000 == 0:
            sizes.append(driver.memory_info().rss)
    held = sum(map(sys.getsizeof, prompts))
    print(
        f"{units} units of {held / units:.0f} bytes ({held / 1e6:.0f} MB): the driver has ", end=""
    )
    print(
        f"{sizes[0] / 1e6:.0f} MB at the first result, {max(sizes) / 1e6:.0f} MB at most, ", end=""
    )
    print(f"{sizes[-1] / 1e6:.0f} MB at the last")


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actors", type=int, default=64)
    parser.add_argument("--records", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60, help="ideal time")
    parser.add_argument("--units", type=int, default=52_000, help="for the driver's memory")
    asked = parser.parse_args()
    # Ray is told of as many cores as there are to be actors; sleeping takes none.
    os.environ["RAY_OVERRIDE_RESOURCES"] = json.dumps({"CPU": asked.actors})
    cluster = connect("local", cpus=1, note=print)
    try:
        measure_time(cluster, asked.actors, asked.records, asked.seconds)
        measure_memory(cluster, asked.units)
    finally:
        cluster.close()


if __name__ == "__main__":
    main()
