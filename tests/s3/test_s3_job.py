"""Jobs whose model, texts, workspace and output lie on S3: the same bytes as in folders, also when the server fails."""

import json
import shutil
import time

import pytest

from cluster import CALIBRATION, HELD_OUT, MODEL, Cluster, committed_once, deterministic_files, wait_until
from s3_server import WHY_NOT, S3Server

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

OUTAGE_SECONDS = 4
JOB = {"samples": 64, "sequence_length": 128}
BLOCKS = [f"prune-{block:05d}" for block in range(6)]
ON_S3 = {
    "model": "s3://models/books-llama-3m",
    "calibration": f"s3://models/text/{CALIBRATION.name}",
    "evaluate": f"s3://models/text/{HELD_OUT.name}",
    "evaluate_windows": 20,
    "evaluate_sequence_length": 64,
}
IN_FOLDERS = ON_S3 | {"model": MODEL, "calibration": CALIBRATION, "evaluate": HELD_OUT}


@pytest.fixture
def server(tmp_path):
    """A server with the model and the texts in one bucket, and an empty bucket for results."""
    with S3Server(tmp_path / "s3") as running:
        models = running.bucket("models")
        shutil.copytree(MODEL, models / "books-llama-3m")
        (models / "text").mkdir()
        for text in (CALIBRATION, HELD_OUT):
            shutil.copy(text, models / "text")
        running.bucket("results")
        yield running


@pytest.fixture
def cluster(tmp_path, server):
    with Cluster(
        tmp_path / "service",
        allow=["s3://models", "s3://results"],
        environment=server.environment,
        workspace_uri="s3://results/work",
    ) as service:
        yield service


@pytest.fixture(scope="module")
def in_folders(tmp_path_factory):
    """The bytes of the same job in folders."""
    with Cluster(tmp_path_factory.mktemp("folders")) as service:
        service.start(workers=2)
        service.succeed(service.submit("out", **IN_FOLDERS, **JOB))
        return described(service.folder / "out")


def described(output):
    """The files of a checkpoint that are the same for every run; the manifest without the addresses it names."""
    files = deterministic_files(output)
    manifest = json.loads(files.pop("besa_manifest.json"))

    def plain(value):
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        if isinstance(value, str) and ("s3://" in value or value.startswith(("/", "file://"))):
            return value.rstrip("/").rsplit("/", 1)[1]
        return value

    return files | {"besa_manifest.json": plain(manifest)}


def test_everything_on_s3_gives_the_bytes_of_the_folder(cluster, server, in_folders):
    cluster.start(workers=2)
    job = cluster.submit("s3://results/team/out", **ON_S3, **JOB)
    cluster.succeed(job)
    output = server.bucket("results") / "team" / "out"
    assert described(output) == in_folders
    committed_once(cluster.tasks(job))
    # Nothing lies there but what the manifest lists, itself and the record of the run.
    manifest = json.loads((output / "besa_manifest.json").read_text())
    expected = {file["path"] for file in manifest["files"]} | {"besa_manifest.json", "besa_run.json", "report.html"}
    assert {path.removeprefix("team/out/") for path in server.files("results") if path.startswith("team/")} == expected
    # Of the workspace its own, empty folder is left, or not even that.
    wait_until(
        lambda: not [path for path in server.files("results") if path.startswith("work/") and path != "work/"],
        30,
        "the workspace to be swept",
    )
    # The S3 library ends in order with its process.
    for process in [*cluster.workers.values(), cluster.coordinator]:
        process.terminate()
        assert process.wait(30) == 0


def test_model_on_s3_and_output_in_a_folder(cluster, in_folders):
    cluster.start(workers=1)
    cluster.succeed(cluster.submit("out", **ON_S3, **JOB))
    assert described(cluster.folder / "out") == in_folders


@pytest.mark.parametrize("moment", ["pruning", "publishing"])
def test_server_killed_and_restarted(cluster, server, in_folders, moment):
    cluster.start(workers=2)
    job = cluster.submit("s3://results/out", **ON_S3, **JOB)
    if moment == "pruning":
        # One at least has yet to write its block.
        _, worker = cluster.freeze_at(job, *BLOCKS[1:])
        server.kill()
        cluster.wake(worker)
    else:
        wait_until(lambda: (server.bucket("results") / "out").exists(), 120, "publishing to begin")
        server.kill()
    # Whoever needs it meanwhile has to wait: a worker whose block is done, or the publisher.
    time.sleep(OUTAGE_SECONDS)
    server.start()
    cluster.succeed(job, 240)
    committed_once(cluster.tasks(job))
    assert described(server.bucket("results") / "out") == in_folders


def refused(result, *words):
    assert result.code != 0, result.out
    for word in words:
        assert word in result.err, result.err


def test_read_only_server_is_refused_before_work_starts(cluster, server):
    cluster.start(workers=0)
    server.kill()
    server.start("--readonly")
    refused(cluster.prune("s3://results/out", **ON_S3), "output_uri", "s3://results/out", "check the rights")
    assert cluster.besa("--json", "jobs", "list").json().get("jobs", []) == []


def test_missing_bucket_is_refused_by_name(cluster, server):
    cluster.allow += ["s3://nowhere"]
    cluster.start(workers=0)
    words = ("there is no bucket nowhere", server.endpoint)
    refused(cluster.prune("s3://nowhere/out", **ON_S3), "output_uri", *words)
    refused(cluster.prune("s3://results/out", **(ON_S3 | {"model": "s3://nowhere/model"})), "model_uri", *words)
    refused(cluster.prune("s3://results/out", **(ON_S3 | {"calibration": "s3://nowhere/c.txt"})), "calibration", *words)


def test_folder_outside_the_allowed_ones_is_refused(cluster):
    cluster.allow = ["s3://models", "s3://results/team"]
    cluster.start(workers=0)
    refused(cluster.prune("s3://results/other/out", **ON_S3), "s3://results/other/out", "s3://results/team")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "nobody"}, ["does not accept the access key", "AWS_ACCESS_KEY_ID"]),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, ["does not accept the access key", "AWS_SECRET_ACCESS_KEY"]),
        ({"AWS_REGION": "eu-west-1"}, ["signed for region eu-west-1", "us-east-1"]),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, ["cannot reach http://127.0.0.1:1"]),
        ({"AWS_ENDPOINT_URL": "127.0.0.1:1"}, ["AWS_ENDPOINT_URL", "127.0.0.1:1", "http://"]),
    ],
    ids=["key", "secret", "region", "server", "endpoint"],
)
def test_coordinator_does_not_start_with_wrong_settings(cluster, change, words):
    cluster.environment = cluster.environment | change
    with pytest.raises(AssertionError) as failure:
        cluster.start_coordinator()
    for word in words:
        assert word in str(failure.value)


def test_buckets_on_two_servers(cluster, server, tmp_path, in_folders):
    """A config file names another server, and other keys, for one bucket."""
    with S3Server(tmp_path / "other") as other:
        other.bucket("archive")
        config = tmp_path / "stores.json"
        config.write_text(
            json.dumps(
                {
                    "buckets": {
                        "archive": {
                            "endpoint": other.endpoint,
                            "access_key_env": "ARCHIVE_KEY",
                            "secret_key_env": "ARCHIVE_SECRET",
                        }
                    }
                }
            )
        )
        keys = other.environment
        cluster.environment = cluster.environment | {
            "ARCHIVE_KEY": keys["AWS_ACCESS_KEY_ID"],
            "ARCHIVE_SECRET": keys["AWS_SECRET_ACCESS_KEY"],
        }
        cluster.allow += ["s3://archive"]
        cluster.start_coordinator("--store-config", str(config))
        cluster.start_worker("worker-1", "--store-config", str(config))
        cluster.succeed(cluster.submit("s3://archive/out", **ON_S3, **JOB))
        assert described(other.bucket("archive") / "out") == in_folders
        assert not [path for path in server.files("results") if path.startswith("out")]
