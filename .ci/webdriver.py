"""A headless Chromium, driven through chromedriver as the W3C's WebDriver says. It needs nothing but Python."""

import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element's id, from the standard
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"]
PATIENCE = 20  # seconds


class DriverError(Exception):
    """What the browser could not do."""


@contextlib.contextmanager
def chromium(port):
    """A browser without cookies. It is gone at the end of the `with`."""
    folder = tempfile.mkdtemp(prefix="duck-chromium-")
    command = ["chromedriver", f"--port={port}", "--log-level=SEVERE"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as driver:
        try:
            browser = Browser(f"http://127.0.0.1:{port}", [*FLAGS, f"--user-data-dir={folder}"])
            try:
                yield browser
            finally:
                browser.quit()
        finally:
            driver.terminate()
    shutil.rmtree(folder, ignore_errors=True)


class Browser:
    def __init__(self, driver, flags):
        self.url = driver
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self._ask("GET", "/status")
                break
            except urllib.error.URLError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        options = {"browserName": "chrome", "goog:chromeOptions": {"args": flags}}
        session = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self.url += f"/session/{session['sessionId']}"

    def quit(self):
        self._ask("DELETE", "")

    def open(self, url):
        self._ask("POST", "/url", {"url": url})

    def reload(self):
        self._ask("POST", "/refresh", {})

    def address(self):
        return self._ask("GET", "/url")

    def script(self, source, *arguments):
        """What the body of a function gives back."""
        return self._ask("POST", "/execute/sync", {"script": source, "args": list(arguments)})

    def text(self):
        """All that can be read on the page."""
        return self.script("return document.body.innerText")

    def status(self):
        """The status of the page."""
        return self.script("return performance.getEntriesByType('navigation')[0].responseStatus")

    def forget(self):
        """Deletes the cookies of the page's host."""
        self._ask("DELETE", "/cookie")

    def cookies(self):
        return self._ask("GET", "/cookie")

    def keep(self, cookie):
        self._ask("POST", "/cookie", {"cookie": cookie})

    def fill(self, field, value):
        """Types into a field in place of what is there. For a field of files, the value is a file's path."""
        element = self._find("css selector", f"[name='{field}']")
        if self.script("return arguments[0].type", {ELEMENT: element}) != "file":
            self._ask("POST", f"/element/{element}/clear", {})
        if value:
            self._ask("POST", f"/element/{element}/value", {"text": value})

    def press(self, label, inside="body"):
        """Presses the first button with this label, or follows the link, and waits until the next page is there."""
        path = f"(//{inside}//*[self::a or self::button][normalize-space()='{label}'])[1]"
        element = self._find("xpath", path)
        self.script("window.isLeft = true")
        self._ask("POST", f"/element/{element}/click", {})
        self.wait("return !window.isLeft && document.readyState === 'complete'", f"the page after {label!r}")

    def wait(self, condition, what):
        until = time.monotonic() + PATIENCE
        while not self.script(condition):
            if time.monotonic() > until:
                raise DriverError(f"{what} does not come within {PATIENCE} s")
            time.sleep(0.05)

    def picture(self, path, width, scheme):
        """Saves a picture of the whole page, as a window of this width shows it in this colour scheme."""
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._devtools("Emulation.setEmulatedMedia", {"features": features})
        taken = self._devtools("Page.captureScreenshot", {"captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(taken["data"]))

    def _devtools(self, command, parameters):
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _find(self, using, value):
        return self._ask("POST", "/element", {"using": using, "value": value})[ELEMENT]

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"}, method=method)
        try:
            with self.opener.open(request, timeout=60) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            raise DriverError(json.load(error)["value"]["message"]) from error
