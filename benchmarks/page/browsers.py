"""The same few verbs for Chromium (Playwright), Firefox (WebDriver BiDi) and WebKit (Selenium, WebKitGTK).

WebKitGTK is the engine of Safari. Firefox is spoken to by BiDi itself: geckodriver comes from no package registry.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
FIREFOX = next((path for name in ("firefox-esr", "firefox") if (path := shutil.which(name))), None)
WEBKIT = shutil.which("WebKitWebDriver")
MINI_BROWSER = next(Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser"), None)
_CHROMIUM_FLAGS = [
    *("--no-sandbox", "--no-first-run", "--disable-sync", "--disable-component-update"),
    *("--disable-background-networking", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
    *("--enable-unsafe-swiftshader", "--autoplay-policy=no-user-gesture-required"),
]
_FIREFOX_PREFERENCES = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "webgl.force-enabled": True,
    "webgl.disabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "toolkit.telemetry.enabled": False,
    "remote.active-protocols": 1,
}


class NoAnswerError(RuntimeError):
    """The driver lost the result of a script (WebKit, rarely, on a busy machine); whether it ran is unknown."""


class Browser:
    """One page of one engine. `evaluate` takes an expression, which may be a promise, and gives JSON back."""

    name = ""

    def open(self, url: str) -> None:
        raise NotImplementedError

    def evaluate(self, expression: str) -> Any:
        raise NotImplementedError

    def set_files(self, selector: str, *paths: Path) -> None:
        raise NotImplementedError

    def screenshot(self, path: Path) -> None:
        raise NotImplementedError

    def resize(self, width: int, height: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def is_alive(self) -> bool:
        """Whether its page still answers: one that crashed takes the whole session with it in WebKit."""
        with contextlib.suppress(Exception):  # each driver has errors of its own
            return bool(self.evaluate("true"))
        return False

    def click(self, selector: str) -> None:
        """Click as a script would: no layout is involved."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def wait(self, condition: str, seconds: float = 120) -> None:
        """Until the expression is true. Raises AssertionError with the page's status line."""
        until = time.monotonic() + seconds
        # What is looked at may not be there yet.
        safely = f"(async () => {{ try {{ return Boolean(await ({condition})); }} catch {{ return false; }} }})()"
        while not self._is_true(safely):
            if time.monotonic() > until:
                status = self.evaluate("document.getElementById('status')?.textContent ?? document.body.innerText")
                raise AssertionError(f"{self.name}: {condition} did not come true; the page says: {status}")
            time.sleep(0.1)

    def _is_true(self, expression: str) -> bool:
        try:
            return self.evaluate(expression)
        except NoAnswerError:
            return False


class Chromium(Browser):
    """Debian's Chromium through Playwright; `camera` is a clip (y4m, mjpeg) that its fake camera plays."""

    name = "chromium"

    def __init__(
        self, camera: Path | None = None, driver: Any = None, flags: tuple[str, ...] = (), **context: Any
    ) -> None:
        from playwright.sync_api import sync_playwright

        # A process may start Playwright once: tests hand theirs over.
        self._playwright = None if driver else sync_playwright().start()
        driver = driver or self._playwright
        args = [*_CHROMIUM_FLAGS, *flags]
        if camera:
            args.append(f"--use-file-for-fake-video-capture={camera}")
        self._browser = driver.chromium.launch(executable_path=CHROMIUM, args=args)
        self._context = self._browser.new_context(**context)
        self._context.set_default_timeout(120_000)  # milliseconds; a busy machine takes more than the usual 30 seconds
        self.page = self._context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, url: str) -> None:
        self.page.goto(url)

    def evaluate(self, expression: str) -> Any:
        return self.page.evaluate(f"async () => ({expression})")

    def set_files(self, selector: str, *paths: Path) -> None:
        self.page.set_input_files(selector, list(paths))

    def screenshot(self, path: Path) -> None:
        self.page.screenshot(path=path)

    def resize(self, width: int, height: int) -> None:
        self.page.set_viewport_size({"width": width, "height": height})

    def close(self) -> None:
        self._browser.close()
        if self._playwright:
            self._playwright.stop()


class _Screen:
    """A virtual X screen: WebKitGTK has no headless mode, and headless Firefox has WebGL only with one."""

    def __init__(self) -> None:
        read, write = os.pipe()
        self._process = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"],
            pass_fds=(write,),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as display:
            number = display.readline().strip()
        self.environment = {**os.environ, "DISPLAY": f":{number}", "LIBGL_ALWAYS_SOFTWARE": "1"}

    def close(self) -> None:
        _end(self._process)


class Firefox(Browser):
    """Debian's Firefox by WebDriver BiDi over its own websocket; its fake camera shows a test picture."""

    name = "firefox"

    def __init__(self, camera: Path | None = None, preferences: dict[str, object] | None = None) -> None:
        import websocket

        self._profile = tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True)
        wanted = {**_FIREFOX_PREFERENCES, **(preferences or {})}
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in wanted.items()]
        (Path(self._profile.name) / "user.js").write_text("\n".join(lines))
        log = Path(self._profile.name) / "log.txt"
        assert FIREFOX
        command = [FIREFOX, "--headless", "--no-remote", "--profile", self._profile.name, "--remote-debugging-port=0"]
        self._screen = _Screen()
        with log.open("w") as output:
            environment = {**self._screen.environment, "HOME": self._profile.name}
            self._process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            address = _line_of(log, r"WebDriver BiDi listening on (ws://\S+)", self._process)
            self._socket = websocket.create_connection(f"{address}/session", timeout=120, suppress_origin=True)
            self._numbers = itertools.count(1)
            self._command("session.new", capabilities={})
            self._context = self._command("browsingContext.getTree")["contexts"][0]["context"]
        except BaseException:
            self._process.kill()
            self._screen.close()
            raise

    def _command(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") != number:
                continue  # an event
            if answer["type"] == "error":
                raise RuntimeError(f"{method}: {answer['error']}: {answer['message']}")
            return answer["result"]

    def open(self, url: str) -> None:
        for attempt in range(3):
            try:
                self._command("browsingContext.navigate", context=self._context, url=url, wait="complete")
            except RuntimeError as error:
                # A service worker whose process Firefox is just ending, as its last page was left, fails to answer.
                if "INTERCEPTION_FAILED" not in str(error) or attempt == 2:
                    raise
                time.sleep(1)
            else:
                return

    def evaluate(self, expression: str) -> Any:
        target = {"context": self._context}
        text = f"(async () => JSON.stringify((await ({expression})) ?? null))()"
        answer = self._command("script.evaluate", expression=text, target=target, awaitPromise=True)
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def set_files(self, selector: str, *paths: Path) -> None:
        found = self._command(
            "browsingContext.locateNodes", context=self._context, locator={"type": "css", "value": selector}
        )
        element = {"sharedId": found["nodes"][0]["sharedId"]}
        self._command("input.setFiles", context=self._context, element=element, files=[str(path) for path in paths])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(
            base64.b64decode(self._command("browsingContext.captureScreenshot", context=self._context)["data"])
        )

    def resize(self, width: int, height: int) -> None:
        self._command("browsingContext.setViewport", context=self._context, viewport={"width": width, "height": height})

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._command("browser.close")
        self._socket.close()
        _end(self._process)
        self._screen.close()
        self._profile.cleanup()


class WebKit(Browser):
    """WebKitGTK's MiniBrowser under Xvfb, by Selenium; its fake camera shows a test picture."""

    name = "webkit"

    def __init__(self, camera: Path | None = None) -> None:
        from selenium import webdriver
        from selenium.webdriver.webkitgtk.options import Options
        from selenium.webdriver.webkitgtk.service import Service

        self._home = tempfile.TemporaryDirectory(prefix="webkit-", ignore_cleanup_errors=True)
        self._screen = _Screen()
        environment = {
            **self._screen.environment,
            "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",
            "HOME": self._home.name,
            "XDG_CACHE_HOME": self._home.name,
            "XDG_DATA_HOME": self._home.name,
        }
        options = Options()
        options.binary_location = str(MINI_BROWSER)
        for argument in ("--automation", "--enable-media-stream=true", "--enable-mock-capture-devices=true"):
            options.add_argument(argument)
        # MiniBrowser is of its own version, not of WebKitGTK's, and the driver would look for that.
        options.set_capability("browserName", "MiniBrowser")
        try:
            self.driver = webdriver.WebKitGTK(options=options, service=Service(WEBKIT or "", env=environment))
            self.driver.set_script_timeout(120)
        except BaseException:
            self._screen.close()
            raise

    def open(self, url: str) -> None:
        self.driver.get(url)

    def evaluate(self, expression: str) -> Any:
        from selenium.common.exceptions import WebDriverException

        script = (
            "const done = arguments[0];"
            f"(async () => JSON.stringify((await ({expression})) ?? null))()"
            ".then((text) => done({text}), (error) => done({error: String(error)}));"
        )
        try:
            answer = self.driver.execute_async_script(script)
        except WebDriverException as error:
            if "Could not parse script result" in str(error):
                raise NoAnswerError(str(error)) from error
            raise
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return json.loads(answer["text"])

    def set_files(self, selector: str, *paths: Path) -> None:
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys("\n".join(str(path) for path in paths))

    def screenshot(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))

    def resize(self, width: int, height: int) -> None:
        self.driver.set_window_size(width, height)
        inner = self.evaluate("[innerWidth, innerHeight]")
        self.driver.set_window_size(2 * width - inner[0], 2 * height - inner[1])

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self.driver.quit()
        self._screen.close()
        self._home.cleanup()


ENGINES: dict[str, type[Browser]] = {"chromium": Chromium, "firefox": Firefox, "webkit": WebKit}


def missing(name: str) -> str:
    """Why an engine cannot be driven here; empty when it can."""
    if name == "chromium":
        return "" if CHROMIUM else "no Chromium on this machine"
    if name == "firefox":
        return "" if FIREFOX else "no Firefox on this machine"
    return "" if WEBKIT and MINI_BROWSER and shutil.which("Xvfb") else "no WebKitGTK driver or Xvfb on this machine"


def _line_of(log: Path, pattern: str, process: subprocess.Popen[bytes], seconds: float = 120) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(pattern, log.read_text(errors="replace")):
            return found.group(1)
        time.sleep(0.1)
    raise RuntimeError(f"the browser did not start: {log.read_text(errors='replace')[-500:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
