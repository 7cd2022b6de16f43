"""The network between a worker and its coordinator is cut, for longer and for shorter than a lease."""

import socket
import threading

from cluster import deterministic_files, wait_until
from fleet import JOB, Fleet, pass_moment, state_of, until_leased
from proxy import Proxy

# Blocks longer than a lease's term.
LONG = JOB | {"samples": 512}
TERM = 3


def start_behind(fleet: Fleet, proxy: Proxy, name: str) -> None:
    address, fleet.address = fleet.address, f"127.0.0.1:{proxy.port}"
    fleet.start_worker(name)
    fleet.address = address


def test_the_proxy_holds_back_while_cut_and_loses_nothing():
    with socket.create_server(("127.0.0.1", 0)) as echo:

        def serve():
            connection, _ = echo.accept()
            while data := connection.recv(1000):
                connection.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        with Proxy(echo.getsockname()[1]) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.settimeout(0.3)
            client.sendall(b"one")
            assert client.recv(10) == b"one"
            proxy.cut()
            client.sendall(b"two")
            try:
                raise AssertionError(client.recv(10))
            except TimeoutError:
                pass
            proxy.heal()
            assert client.recv(10) == b"two"


def test_a_cut_shorter_than_a_lease_costs_nothing(tmp_path, model, expected):
    with Fleet(tmp_path, allow=[model]) as fleet:
        fleet.start_fleet(workers=0)
        with Proxy(fleet.ports["coordinator-1"]) as proxy:
            start_behind(fleet, proxy, "cut-off")
            job = fleet.submit_watched("short", model=model)
            until_leased(fleet, job, "prune-00000")
            proxy.cut()
            pass_moment(TERM / 3)
            proxy.heal()
            history = fleet.check_succeeded(job, "short", expected)
            assert history.grants == len(fleet.tasks(job)), "no task was leased twice"
            assert history.renewals == 0


def test_a_cut_longer_than_a_lease_gives_the_block_to_another(tmp_path, model):
    with Fleet(tmp_path, allow=[model]) as fleet:
        fleet.start_fleet(workers=1)
        quiet = fleet.submit_watched("quiet", model=model, **LONG)
        fleet.succeed(quiet)
        expected = deterministic_files(tmp_path / "quiet")
        fleet.kill("worker-1")
        with Proxy(fleet.ports["coordinator-1"]) as proxy:
            start_behind(fleet, proxy, "cut-off")
            job = fleet.submit_watched("long", model=model, **LONG)
            until_leased(fleet, job, "prune-00000")
            proxy.cut()
            fleet.start_worker("worker-1")
            # The other one takes the block over while the first, which has noticed nothing, goes on with it.
            wait_until(
                lambda: (
                    len(fleet.tasks(job)["prune-00000"].get("attempts", [])) == 2
                    or state_of(fleet, job, "prune-00000") == "TASK_STATE_COMMITTED"
                ),
                60,
                "the block to be taken over",
            )
            proxy.heal()
            fleet.check_succeeded(job, "long", expected)
            block = fleet.tasks(job)["prune-00000"]["attempts"]
            assert [attempt["outcome"] for attempt in block] == [
                "ATTEMPT_OUTCOME_EXPIRED",
                "ATTEMPT_OUTCOME_COMMITTED",
            ]
            assert block[0]["worker"] == "workers/cut-off"
            wait_until(lambda: not fleet.leftovers(), 30, "what the first wrote to be gone")
