"""Calibration from many files, evaluation on many texts, and gates that keep a bad checkpoint from being published."""

import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster import CALIBRATION, HELD_OUT, committed_once, deterministic_files

TEXTS = (
    *("--evaluate", f"held-out={HELD_OUT}", "--evaluate", f"again={HELD_OUT}"),
    *("--evaluate-windows", "10", "--evaluate-windows", "again=19"),
    *("--evaluate-sequence-length", "64", "--evaluate-stride", "again=32"),
)


def figures(job):
    """The job's evaluations by name."""
    return {text["name"]: text for text in job["result"]["evaluations"]}


@pytest.fixture(scope="module")
def evaluated(service):
    """A finished job that was evaluated on two texts."""
    return service.succeed(service.submit("evaluated", *TEXTS))


def test_every_text_is_measured_with_both_models(evaluated):
    texts = figures(evaluated)
    assert list(texts) == ["held-out", "again"]
    for text in texts.values():
        dense, pruned = text["dense"], text["pruned"]
        assert 1 < dense["perplexity"] < pruned["perplexity"]
        assert 0 < pruned["kl_divergence"] < 5
        assert "kl_divergence" not in dense
        for key in ["tokens", "windows", "sequence_length", "stride", "text_sha256"]:
            assert dense[key] == pruned[key], key


def test_windows_that_overlap_predict_every_token_once(evaluated):
    whole, sliding = figures(evaluated)["held-out"]["dense"], figures(evaluated)["again"]["dense"]
    assert (whole["windows"], whole["stride"], int(whole["tokens"])) == (10, 64, 10 * 63)
    # The same 640 tokens; those that began a window have context now.
    assert (sliding["windows"], sliding["stride"], int(sliding["tokens"])) == (19, 32, 639)
    assert sliding["perplexity"] < whole["perplexity"]


def test_manifest_and_command_show_what_was_measured(service, evaluated):
    manifest = json.loads((service.folder / "evaluated" / "besa_manifest.json").read_text())
    texts = figures(evaluated)
    for listed in manifest["evaluations"]:
        text = texts[listed["name"]]
        assert listed["sha256"] == text["dense"]["text_sha256"]
        assert listed["dense_perplexity"] == text["dense"]["perplexity"]
        assert listed["pruned_perplexity"] == text["pruned"]["perplexity"]
        assert listed["kl_divergence"] == text["pruned"]["kl_divergence"]
        assert listed["stride"] == text["dense"]["stride"]
    shown = service.besa("jobs", "get", evaluated["name"]).out
    assert "PERPLEXITY OF" in shown
    assert "first 19 windows of 64, stride 32: 639 tokens, ids " + texts["again"]["dense"]["text_sha256"][:12] in shown


def test_a_shut_gate_fails_the_job_before_anything_is_published(service):
    job = service.submit("gated", *TEXTS, "--gate-ratio", "held-out=1.01", "--gate-perplexity", "again=2")
    failed = service.finish(job)
    assert failed["state"] == "JOB_STATE_FAILED"
    assert failed["error"]["reason"] == "FAILURE_REASON_GATE"
    assert "held-out: perplexity" in failed["error"]["message"]
    assert "above 1.01 times" in failed["error"]["message"]
    assert "again: perplexity" in failed["error"]["message"]
    assert not (service.folder / "gated").exists()
    before = service.tasks(job)
    assert all(task["state"] == "TASK_STATE_COMMITTED" for task in before.values())

    # As it is it would only fail again; the figures would be the same.
    refused = service.besa("jobs", "retry", job)
    assert refused.code == 3
    assert "would fail again" in refused.err

    assert service.besa("jobs", "retry", job, "--ignore-gates").code == 0
    service.succeed(job)
    after = service.tasks(job)
    committed_once(after)
    assert {name: task["attempts"] for name, task in after.items()} == {
        name: task["attempts"] for name, task in before.items()
    }, "nothing was computed again"
    assert (service.folder / "gated" / "besa_manifest.json").exists()


def test_an_open_gate_changes_nothing_but_the_spec(service, evaluated):
    service.succeed(service.submit("passed", *TEXTS, "--gate-ratio", "10", "--gate-perplexity", "1000"))
    passed = deterministic_files(service.folder / "passed")
    ungated = deterministic_files(service.folder / "evaluated")
    assert passed.keys() == ungated.keys()
    assert {name for name in passed if passed[name] != ungated[name]} == {"besa_manifest.json"}
    assert evaluated["state"] == "JOB_STATE_SUCCEEDED"


@pytest.fixture(scope="module")
def documents():
    """The calibration text in pieces."""
    text = lzma.decompress(CALIBRATION.read_bytes()).decode()[:400_000]
    return [text[i : i + 4000] for i in range(0, len(text), 4000)]


def calibration_of(service, output):
    return json.loads((service.folder / output / "besa_manifest.json").read_text())["calibration"]


def test_parquet_files_folders_and_json_lines_make_the_same_windows(service, documents):
    """One text four ways: as json lines, as a parquet file, as several files, as a folder."""
    folder = service.folder / "texts"
    folder.mkdir()
    half = len(documents) // 2
    lines = service.folder / "all.jsonl"
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents))
    whole = service.folder / "all.parquet"
    pq.write_table(pa.table({"id": range(len(documents)), "text": documents}), whole, row_group_size=17)
    first, second = folder / "part-0.parquet", folder / "part-1.jsonl"
    pq.write_table(pa.table({"text": documents[:half]}), first, compression="zstd")
    second.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents[half:]))
    (folder / "README.md").write_text("not a text")

    ways = {
        "lines": (lines,),
        "parquet": (whole,),
        "files": (first, second),
        "folder": (folder,),
    }
    for output, files in ways.items():
        more = [flag for file in files[1:] for flag in ("--calibration", str(file))]
        service.succeed(service.submit(output, *more, calibration=files[0]))
    expected = calibration_of(service, "lines")
    for output in ways:
        assert calibration_of(service, output) == expected, output
    manifest = json.loads((service.folder / "folder" / "besa_manifest.json").read_text())
    assert [uri.rsplit("/", 1)[1] for uri in manifest["options"]["calibration"]["uris"]] == [first.name, second.name]
    assert {file.name for file in (first, second)} <= {item["uri"].rsplit("/", 1)[1] for item in manifest["inputs"]}


def test_a_bad_row_of_a_parquet_file_is_named(service, documents):
    bad = service.folder / "bad.parquet"
    pq.write_table(pa.table({"text": [*documents[:50], None]}), bad)
    job = service.finish(service.submit("bad", calibration=bad))
    assert job["error"]["reason"] == "FAILURE_REASON_INVALID_INPUT"
    for word in ["calibration.uris", "bad.parquet", "column text", "row 50", "null"]:
        assert word in job["error"]["message"]
