"""A thousand kills: what tests/faults/test_kills.py does, for longer.

tests/bench/kills.py --kills 1000 --state postgresql --coordinators 3 --seed 1
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "faults")]

from fleet import Fleet, undisturbed
from postgres import Postgres
from small_model import two_block_model
from storm import Storm


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--state", choices=["sqlite", "postgresql"], default="postgresql")
    parser.add_argument("--coordinators", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = two_block_model(folder / "model")
        expected = undisturbed(folder / "quiet", model)
        server, state = None, ""
        if arguments.state == "postgresql":
            server = stack.enter_context(Postgres(folder / "postgres"))
            state = server.new_database("kills")
        fleet = stack.enter_context(
            Fleet(
                folder / "service",
                allow=[model],
                state=state,
                coordinator_count=arguments.coordinators if server else 1,
            )
        )
        fleet.start_fleet(arguments.workers)
        storm = Storm(fleet, model, expected, random.Random(arguments.seed), server=server, database="kills")
        begin = time.monotonic()
        while storm.total() < arguments.kills:
            storm.run(min(arguments.kills, storm.total() + 50))
            print(f"{time.monotonic() - begin:.0f} s: {storm.jobs} jobs, {storm.kills}", flush=True)
        storm.check_nothing_is_left()
        print(
            f"{storm.total()} kills ({storm.kills}) in {storm.jobs} jobs, {storm.grants} grants: every job ended with "
            "the same bytes, every history is right, nothing is left over"
        )


if __name__ == "__main__":
    main()
