"""The page without a network, through upgrades and with damaged models."""

import json
import os
import re
import shutil
import subprocess

import pytest

from portraitnet.runtime.shipped import find_model
from portraitnet.runtime.web.server import DIST, PageServer, resources
from portraitnet.tests.runtime.web.page import READY, says, settled, status
from portraitnet.tests.serving import serving

OFFLINE = "document.getElementById('offline').textContent.includes('without a network from now on')"
KEPT = "caches.open('portraitnet').then((cache) => cache.keys()).then((all) => all.map(({url}) => url))"

pytestmark = pytest.mark.skipif(not (DIST / "app").is_dir(), reason="the page is not built: make web")


def test_the_page_works_without_a_network_and_an_upgrade_replaces_its_files(engine, tmp_path, portrait):
    """Through a service worker that takes each new file in place of the old one of its name; the model stays."""
    dist = tmp_path / "dist"
    shutil.copytree(DIST, dist)
    models = [find_model("nano")]
    browser = engine()
    with serving(PageServer(resources(models, dist))) as server:
        port = server.server_port
        browser.open(server.url)
        browser.wait(READY)
        browser.wait(OFFLINE)
        kept = browser.evaluate(KEPT)
        assert sum(name.endswith(".wasm") for name in kept) == 1
        assert sum(".tflite" in name for name in kept) == 1
    browser.evaluate("caches.open('portraitnet-of-before')")  # earlier versions had a cache each
    browser.open(server.url)  # the server is gone
    browser.wait(READY)
    assert "is ready" in status(browser)
    settled(browser, lambda: browser.set_files("#file", portrait[0]))
    browser.wait(OFFLINE)  # a worker with work to do for a page that was left would delay its successor by minutes

    (app,) = (dist / "app").glob("app-*.js")
    newer = app.with_name("app-ZZZZZZZZ.js")
    app.rename(newer)
    newer.write_text(newer.read_text() + "\nwindow.upgraded = true;")
    for name in ("index.html", "sw.js"):
        text = (dist / "app" / name).read_text().replace(app.name, newer.name)
        (dist / "app" / name).write_text(re.sub(r"(VERSION = )\W\w+\W", r'\1"0123456789"', text))
    with serving(PageServer(resources(models, dist), port=port)) as server:
        browser.open(server.url)
        browser.wait("window.upgraded")
        browser.wait("caches.keys().then((names) => String(names) == 'portraitnet')")
        browser.wait(
            f"""{KEPT}.then((names) => names.some((name) => name.endsWith('{newer.name}'))
                && !names.some((name) => name.endsWith('{app.name}')))"""
        )
        browser.wait(f"{KEPT}.then((names) => names.length == {len(kept)})")
    browser.open(server.url)  # gone again: the new version works without a network, too
    browser.wait(READY)
    assert browser.evaluate("window.upgraded")
    browser.open("about:blank")


def test_a_new_secret_address_makes_no_second_copy(engine):
    """With --lan each start has a new secret in the address, on the same port."""
    models = [find_model("nano")]
    browser, counts, port = engine(), [], 0
    for secret in ("first-secret", "second-secret"):
        with serving(PageServer(resources(models), port=port, token=secret)) as server:
            port = server.server_port
            browser.open(server.url)
            browser.wait(READY)
            browser.wait(OFFLINE)
            counts.append(len(browser.evaluate(KEPT)))
            assert browser.evaluate("caches.keys()") == ["portraitnet"]
            browser.wait("navigator.serviceWorker.getRegistrations().then((all) => all.length == 1)")
    assert counts[0] == counts[1]
    browser.open("about:blank")


def test_a_model_that_cannot_be_had_leaves_the_one_before(browser, tmp_path):
    """Not there, corrupt, and of another size than the list says."""
    site = resources([find_model(name) for name in ("nano", "small", "mobile", "large")])
    listed = json.loads(site["models.json"].content)
    (tmp_path / "corrupt.tflite").write_bytes(find_model("small").read_bytes()[:5000])
    del site[listed[3]["url"]]
    site[listed[1]["url"]] = type(site[""])("application/octet-stream", tmp_path / "corrupt.tflite")
    site[listed[2]["url"]] = type(site[""])("application/octet-stream", find_model("small"))
    listed[2]["bytes"] = find_model("small").stat().st_size
    site["models.json"] = type(site[""])("application/json", None, json.dumps(listed).encode())
    with serving(PageServer(site)) as server:
        browser.open(server.url)
        browser.wait(READY)
        for index in (1, 2, 3):
            browser.evaluate(
                f"""(() => {{
                    const choice = document.getElementById('model');
                    choice.selectedIndex = {index};
                    choice.dispatchEvent(new Event('change'));
                }})()"""
            )
            says(browser, f"{listed[index]['name']} could not be loaded")
            assert "portraitnet-nano goes on" in status(browser)
            assert browser.evaluate("document.getElementById('model').selectedIndex") == 0
        browser.open("about:blank")


def test_the_built_page_is_what_the_sources_say(tmp_path):
    """What is served here was built from what lies here: a stale build would be tested in its place."""
    if not shutil.which("node"):
        pytest.skip("no Node.js here")
    web = DIST.parent
    phone = web.parent.parent / "benchmarks/phone/page"
    command = ["node", "build.mjs", f"app={web / 'page'}", f"phone={phone}"]
    subprocess.run(command, cwd=web, check=True, env={**os.environ, "PORTRAITNET_DIST": str(tmp_path / "dist")})
    fresh = {path.relative_to(tmp_path / "dist") for path in (tmp_path / "dist").rglob("*")}
    assert fresh == {path.relative_to(DIST) for path in DIST.rglob("*")}, "run `make web` again"
