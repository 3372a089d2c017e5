"""A headless Chromium, driven over --remote-debugging-pipe with the standard library alone.

Debian: apt-get install --no-install-recommends chromium. Ubuntu has it as a snap only, whose sandbox
does not see the files of a test: install google-chrome-stable, or go without this test."""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def is_snap(path):
    """A snap itself, or the script that Ubuntu has in its place."""
    with open(path, "rb") as file:
        head = file.read(4096)
    return "snap" in path + os.path.realpath(path) or (head.startswith(b"#!") and b"/snap/" in head)


def find():
    """The program, or None."""
    for name in NAMES:
        path = shutil.which(name)
        if path and not is_snap(path) and subprocess.run([path, "--version"], capture_output=True).returncode == 0:
            return path
    return None


class Chromium:
    """One tab. `errors` gathers what the console complains of, `requests` every address asked for."""

    def __init__(self, program):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self.into = os.pipe()
        self.out, from_browser = os.pipe()

        def arrange():  # the browser reads at 3 and writes at 4
            high = [os.dup(to_browser), os.dup(from_browser)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        # As root there is no sandbox; what it shows is the project's own page.
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
             "--remote-debugging-pipe", f"--user-data-dir={self.profile.name}", "about:blank"],
            preexec_fn=arrange, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.last_id = 0
        self.buffer = b""
        self.session = None
        self.errors, self.requests, self.dialogs = [], [], []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.call(f"{domain}.enable")

    def close(self):
        try:
            os.write(self.into, json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        os.close(self.into)
        os.close(self.out)
        self.profile.cleanup()

    def call(self, method, **parameters):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.into, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 30
        while True:
            answer = self.next_message(deadline)
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def next_message(self, deadline):
        while b"\0" not in self.buffer:
            if not select.select([self.out], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise TimeoutError("Chromium does not answer")
            self.buffer += os.read(self.out, 1 << 20)
        text, self.buffer = self.buffer.split(b"\0", 1)
        message = json.loads(text)
        self.note(message.get("method"), message.get("params", {}))
        return message

    def note(self, method, event):
        if method == "Network.requestWillBeSent":
            self.requests.append(event["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(event["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.errors.append(str(event["args"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(event["message"])

    def run(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, expression, what, seconds=15):
        """Until `expression` is true in the page; the page tells, which looks at each change of itself."""
        deadline = time.monotonic() + seconds
        condition = f"(() => {{ try {{ return Boolean({expression}); }} catch {{ return false; }} }})()"
        while time.monotonic() < deadline:
            # A navigation throws away what waits in the page.
            try:
                if self.run(f"""new Promise((resolve) => {{
                    const look = () => {{ if ({condition}) resolve(true); }};
                    const observer = new MutationObserver(look);
                    observer.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
                    addEventListener('load', look);
                    setTimeout(() => resolve({condition}), 1000);
                    look();
                }})"""):
                    return
            except RuntimeError:
                continue
        raise AssertionError(f"after {seconds} seconds there is not: {what}\n" + self.run("document.body.innerText"))

    def open(self, url):
        self.call("Page.navigate", url="about:blank")  # so that the same address with another fragment is loaded, too
        self.call("Page.navigate", url=url)

    KEYS = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, ""), " ": (32, " "), "ArrowDown": (40, ""), "ArrowUp": (38, "")}

    def key(self, name, shift=False):
        code, text = self.KEYS[name]
        common = {"key": name, "code": "Space" if name == " " else name, "windowsVirtualKeyCode": code,
                  "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def tab_to(self, expression, most=80):
        """Presses Tab until the focused element, `e`, fulfils the expression."""
        for _ in range(most):
            if self.run(f"((e) => Boolean({expression}))(document.activeElement)"):
                return
            self.key("Tab")
        raise AssertionError(f"no key leads to: {expression}")

    def media(self, **features):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def width(self, width, height=800):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
