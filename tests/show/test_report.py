"""report.html in a real browser: light and dark, desktop and phone."""

import pytest
from playwright.sync_api import sync_playwright

from cluster import HELD_OUT, Cluster

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("report")) as cluster:
        cluster.start()
        job = cluster.submit("out", *("--name", "a <b>bold</b> name"), evaluate=HELD_OUT, evaluate_windows=10)
        cluster.succeed(job)
        yield cluster, job


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield running
        running.close()


def look(browser, path, size, scheme):
    """The page as it is shown there, what it asked the network for and what it complained of."""
    page = browser.new_context(viewport=SIZES[size], color_scheme=scheme).new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=20_000)
    return page, asked, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_shows_everything_and_fits(published, browser, size, scheme):
    cluster, _ = published
    page, asked, complaints = look(browser, cluster.folder / "out" / "report.html", size, scheme)
    assert complaints == []
    assert asked == [(cluster.folder / "out" / "report.html").as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    assert page.locator("#state").inner_text() == "succeeded"
    assert page.locator("#title").inner_text() == "a <b>bold</b> name"
    for chart in ["sparsity", "rows", "loss", "final-loss", "stages", "timeline"]:
        assert page.locator(f"#{chart} svg path").count() > 3, chart
    assert "held_out" in page.locator("#perplexity").inner_text()
    assert f'folder = "{cluster.folder / "out"}"' in page.locator("#load").inner_text()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    channel = int(background.split("(")[1].split(",")[0])
    assert (channel < 80) == (scheme == "dark")


def test_a_block_can_be_chosen_and_the_theme_switched(published, browser):
    cluster, _ = published
    page, _, complaints = look(browser, cluster.folder / "out" / "report.html", "desktop", "light")
    before = page.locator("#rows svg").inner_html()
    page.select_option("#rows-block", "3")
    assert page.locator("#rows svg").inner_html() != before
    page.click("#theme")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert complaints == []


def test_the_command_writes_it_too_also_before_anything_has_run(published, browser, tmp_path):
    cluster, job = published
    done = cluster.besa("report", job, "--output", str(tmp_path / "again.html"))
    assert (done.code, done.out) == (0, f"report: {tmp_path / 'again.html'}\n"), done.err
    page, _, complaints = look(browser, tmp_path / "again.html", "desktop", "light")
    assert page.locator("#state").inner_text() == "succeeded"
    assert complaints == []

    with Cluster(tmp_path / "idle") as idle:
        idle.start(workers=0)
        waiting = idle.submit("out")
        html = idle.besa("report", waiting, "--output", "-")
        assert html.code == 0, html.err
        (tmp_path / "waiting.html").write_text(html.out)
    page, _, complaints = look(browser, tmp_path / "waiting.html", "phone", "dark")
    assert complaints == []
    assert page.locator("#state").inner_text() == "pending"
    assert "Waiting: " in page.locator("#notice").inner_text()
    assert not page.locator("#sparsity-section").is_visible()

    refused = cluster.besa("report", job, "--output", "/nowhere/at/all.html")
    assert refused.code != 0
    assert "/nowhere/at/all.html" in refused.err


def test_it_shows_how_far_a_job_is_that_runs(browser, tmp_path):
    blocks = [f"prune-{block:05d}" for block in range(6)]
    with Cluster(tmp_path / "service") as cluster:
        cluster.start(workers=1)
        job = cluster.submit("out", samples=64, sequence_length=128)
        # The worker prunes one block after the other, and stands still in the middle.
        cluster.freeze_at(job, *blocks[2:])
        done = cluster.besa("report", job, "--output", str(tmp_path / "running.html"))
        assert done.code == 0, done.err
        committed = [name for name in blocks if cluster.tasks(job)[name]["state"] == "TASK_STATE_COMMITTED"]
    page, _, complaints = look(browser, tmp_path / "running.html", "desktop", "light")
    assert complaints == []
    assert page.locator("#state").inner_text() == "pruning"
    shown = page.locator("#rows-block option").all_inner_texts()
    assert shown == ["all", *(str(block) for block in range(len(committed)))]
    assert 2 <= len(committed) < len(blocks)
    for chart in ["sparsity", "rows", "loss", "stages", "timeline"]:
        assert page.locator(f"#{chart} svg path").count() > 3, chart
    assert not page.locator("#perplexity-section").is_visible()
