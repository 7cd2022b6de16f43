"""Where coordinator and workers find their keys for S3: environment, profile, container, instance; and what they say if not."""

import json

import pytest
from test_s3_faults import fill

from cluster import CALIBRATION, Cluster, wait_until
from metadata_service import CONTAINER, ROLE, ROLES, MetadataService, no_keys
from s3_server import ACCESS_KEY, SECRET_KEY, WHY_NOT, S3Server

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

ON_S3 = {"model": "s3://models/books-llama-3m", "calibration": f"s3://models/text/{CALIBRATION.name}"}
IN_VARIABLES = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
SDK_PLACES = "AWS_PROFILE, web identity, container or instance"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with S3Server(tmp_path_factory.mktemp("keys") / "s3") as running:
        fill(running)
        yield running


@pytest.fixture
def metadata():
    with MetadataService() as service:
        yield service


@pytest.fixture
def cluster(tmp_path, server):
    """Knows where the server is and has no keys."""
    with Cluster(
        tmp_path / "service",
        allow=["s3://models", "s3://results"],
        environment=no_keys(tmp_path) | {"AWS_ENDPOINT_URL": server.endpoint},
        workspace_uri="s3://results/work",
    ) as service:
        yield service


def profile(folder, secret_key: str = SECRET_KEY) -> dict[str, str]:
    path = folder / "credentials"
    path.write_text(
        f"[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n"
        f"[team]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret_key}\n"
    )
    return {"AWS_PROFILE": "team", "AWS_SHARED_CREDENTIALS_FILE": str(path)}


def keys_in(place: str, folder, metadata: MetadataService) -> dict[str, str]:
    """What a program's environment has whose keys are there and nowhere else."""
    return {
        "environment": IN_VARIABLES,
        "profile": profile(folder, metadata.secret_key),
        "container": metadata.of_container,
        "instance": metadata.of_instance,
    }[place]


@pytest.mark.parametrize("place", ["environment", "profile", "container", "instance"])
def test_a_job_with_the_keys_of(cluster, metadata, tmp_path, place):
    cluster.environment |= keys_in(place, tmp_path, metadata)
    cluster.start(workers=1)
    cluster.succeed(cluster.submit(f"s3://results/{place}", **ON_S3))
    asked = {"container": {CONTAINER}, "instance": {f"{ROLES}/{ROLE}"}}.get(place, set())
    assert set(metadata.handed_out) == asked
    if asked:
        assert len(metadata.handed_out) >= 2, "the coordinator and the worker"


def test_buckets_with_a_profile_of_their_own(cluster, tmp_path):
    config = tmp_path / "stores.json"
    config.write_text(json.dumps({"buckets": {"models": {"profile": "team"}, "results": {"profile": "team"}}}))
    files = profile(tmp_path) | {"AWS_PROFILE": ""}
    cluster.environment |= files | {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing"}
    cluster.start_coordinator("--store-config", str(config))
    cluster.start_worker("worker-1", "--store-config", str(config))
    cluster.succeed(cluster.submit("s3://results/own-profile", **ON_S3))


def refusal(cluster) -> str:
    """Why the coordinator does not start."""
    with pytest.raises(AssertionError) as failure:
        cluster.start_coordinator()
    return str(failure.value)


def test_what_is_nearer_counts(cluster, metadata, tmp_path):
    """Environment before profile before container before instance: what is further away has keys that are refused."""
    with MetadataService(secret_key="wrong") as wrong:
        cluster.environment |= wrong.of_instance | wrong.of_container | profile(tmp_path, "wrong")
        without = dict(cluster.environment)
        cluster.environment = without | IN_VARIABLES
        cluster.start_coordinator()
        cluster.kill_coordinator()
        cluster.environment = without | profile(tmp_path)
        cluster.start_coordinator()
        cluster.kill_coordinator()
        nowhere = {"AWS_PROFILE": "", "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "nowhere")}
        cluster.environment = without | nowhere | metadata.of_container
        cluster.start_coordinator()
        cluster.kill_coordinator()
        cluster.environment = without | nowhere
        assert "does not accept the access key" in refusal(cluster)


@pytest.mark.parametrize("place", ["profile", "container", "instance"])
def test_a_wrong_secret_is_said_with_where_it_comes_from(cluster, server, metadata, tmp_path, place):
    metadata.secret_key = "wrong"
    cluster.environment |= keys_in(place, tmp_path, metadata)
    said = refusal(cluster)
    assert f"{server.endpoint} does not accept the access key or its secret (from {SDK_PLACES})" in said, said


def test_the_session_of_temporary_keys_is_sent(cluster, server, metadata):
    """This server knows no sessions: that it refuses one shows that it came."""
    metadata.session_token = "a-session"
    cluster.environment |= metadata.of_instance
    said = refusal(cluster)
    assert f"{server.endpoint} does not accept the access key or its secret" in said, said
    assert "InvalidToken" in said, said


def test_without_keys_nothing_is_sent_unsigned(cluster, server):
    said = refusal(cluster)
    assert f"no access key for {server.endpoint}" in said, said
    assert f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and none from {SDK_PLACES}" in said, said


def test_a_worker_waits_for_the_service_of_its_instance(cluster, metadata):
    """Machines may start programs before their metadata service answers."""
    without = dict(cluster.environment)
    cluster.environment = without | IN_VARIABLES
    cluster.start_coordinator()
    metadata.away = True
    cluster.environment = without | metadata.of_instance
    cluster.start_worker("worker-1")
    job = cluster.submit("s3://results/late", **ON_S3)
    # More than one look for keys asks.
    wait_until(lambda: metadata.missed > 40, 60, "the worker to have looked for keys several times")
    metadata.away = False
    cluster.succeed(job)
    assert all(len(task["attempts"]) == 1 for task in cluster.tasks(job).values())
