"""kill -9 of anything at any moment: the same bytes, nothing committed again, no leftovers, a history that holds."""

import random

from fleet import Fleet
from storm import Storm

# tests/bench/kills.py does a thousand.
KILLS = 30


def test_one_coordinator_on_sqlite(tmp_path, model, expected):
    with Fleet(tmp_path, allow=[model]) as fleet:
        storm = Storm(fleet.start_fleet(workers=2), model, expected, random.Random(1))
        storm.run(KILLS)
        storm.check_nothing_is_left()
        assert min(storm.kills["worker"], storm.kills["coordinator"]) > 0, storm.kills


def test_two_coordinators_on_postgresql(tmp_path, postgres, model, expected):
    state = postgres.new_database("kills")
    with Fleet(tmp_path, allow=[model], state=state, coordinator_count=2) as fleet:
        storm = Storm(
            fleet.start_fleet(workers=2), model, expected, random.Random(2), server=postgres, database="kills"
        )
        storm.run(KILLS)
        storm.check_nothing_is_left()
        assert min(storm.kills.values()) > 0, storm.kills
