#!/usr/bin/env python3
"""The page of `postbox serve` in a real, headless Chromium, beside a shop that works.
Usage: check_page.py BIN_DIR [PICTURES]
With PICTURES, a folder, it leaves screenshots there. Exit code 77, with the reason, where there is no
Chromium: Debian has it as the package chromium (apt-get install --no-install-recommends chromium); Ubuntu
as a snap only, so that google-chrome-stable is needed there."""
import base64
import http.server
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

import chromium

program = chromium.find()
if program is None:
    print(f"SKIPPED, NOT TESTED: none of {', '.join(chromium.NAMES)} is installed")
    sys.exit(77)

bin_dir = pathlib.Path(sys.argv[1])
pictures = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None

# Each would run if it were taken for more than a text.
SCRIPT = "<script>window.ran = 1; alert(1)</script>"
IMAGE = "<img src=x onerror=\"window.ran = 1; alert(1)\">"
BREAKS = "\"'><svg onload=alert(1)>\\ ${alert(1)} {{7*7}}"
UNSEEN = "a\u0007b\u202ec"
LABEL = SCRIPT.replace('"', "'")


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


class Shop:
    def __init__(self, folder):
        self.process = subprocess.Popen([bin_dir / "page_shop", folder], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.metrics = f"http://127.0.0.1:{int(self.process.stdout.readline())}/metrics"

    def do(self, what, **how):
        self.process.stdin.write(json.dumps({"do": what, **how}) + "\n")
        self.process.stdin.flush()
        expect(self.process.stdout.readline() == "done\n", f"the shop cannot {what}")

    def refuse(self):
        self.do("answer", status=400, body=json.dumps({"errors": [
            {"code": SCRIPT, "detail": IMAGE, "source": {"pointer": f"/data/{IMAGE}"}}]}))

    def deliver(self):
        self.do("answer", status=202, body="")
        for _ in range(15):  # what failed waits some seconds for its turn
            self.do("work")

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Serve:
    def __init__(self, folder, *options):
        self.process = subprocess.Popen(
            [bin_dir / "postbox", "serve", "--env-file", folder / "shop.env", "--prefix", "PBT_",
             "--max-wait", "2h", *options], stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        self.address, self.token = self.url.split("#token=")
        self.port = int(self.address.split(":")[2].strip("/"))

    def close(self):
        self.process.terminate()
        return self.process.wait(10)


def figure(name):
    return f"[...document.querySelectorAll('#figures div')].find((e) => e.firstChild.textContent === '{name}').lastChild.textContent"


def rows(place):
    return f"document.querySelectorAll('#{place} tbody tr').length"


def no_errors(browser, serve):
    expect(browser.errors == [], f"the console says: {browser.errors}")
    expect(browser.dialogs == [], f"something ran: {browser.dialogs}")
    expect(not browser.run("window.ran"), "something ran")
    for url in browser.requests:
        expect(url == "about:blank" or url.startswith(serve.address), f"another host was asked: {url}")
        expect(serve.token not in url.split("#")[0], "the token is in an address that was sent")
        expect("?" not in url, f"something is asked for in an address: {url}")


def needs_the_token(browser, shop, serve):
    for order in ("1001", SCRIPT, IMAGE, BREAKS, UNSEEN):
        shop.do("order", id=order)
    browser.open(serve.address)
    browser.wait("!document.getElementById('login').hidden", "a question for the token")
    expect(browser.run("document.activeElement.id") == "login-token", "the keyboard is not in the field")
    expect(browser.run("document.querySelectorAll('td, dd, li').length") == 0, "something is shown without a token")
    browser.type("0" * 64)
    browser.key("Enter")
    browser.wait("document.getElementById('login-token').value === '' && "
                 "document.getElementById('login-why').textContent.includes('wrong')", "that the token is wrong")
    browser.wait("document.activeElement.id === 'login-token'", "the keyboard in the field")
    browser.type(serve.token)
    browser.key("Enter")
    browser.wait("!document.getElementById('content').hidden", "the page")
    expect(all("401" in error for error in browser.errors), f"the console says: {browser.errors}")
    browser.errors.clear()  # Chromium logs each answer 401


def loads(browser, serve):
    browser.open(serve.url)
    browser.wait(f"{rows('events')} > 0 && document.getElementById('connection').className === 'live'", "the list")
    expect(serve.token not in browser.run("location.href"), "the token stays in the address")
    expect(browser.run("document.title") == "Postbox", "the title")
    expect(browser.run(figure("Dead")) == "11", "the dead letters are counted")
    expect(browser.run(f"{rows('families')} >= 5"), "the families")
    expect(browser.run("[...document.querySelectorAll('#server tbody td')].some((e) => e.textContent === 'events')"),
           "the quota windows")


def shows_hostile_texts(browser):
    page = browser.run("document.body.innerText")
    for text in (SCRIPT, IMAGE, BREAKS, LABEL, "<b>family</b>", "<i>lane</i>", "<u>cause</u>", "onerror=alert(1)>.db"):
        expect(text in page, f"this is not shown as text: {text}")
    expect("\u202e" not in page and "\u0007" not in page, "what is unseen is not marked")
    strange = "document.querySelectorAll('img, iframe, object, embed, script:not([src=\"/page.js\"]), svg[onload]').length"
    expect(browser.run(strange) == 0, "a text became an element")


def updates(browser, shop):
    browser.run("window.mark = 1")
    shop.do("answer", status=503, body="")
    shop.do("order", id="2001")
    browser.wait(f"{figure('Waiting')} === '2'", "two events that wait")
    browser.wait("document.querySelector('#plots path[d*=L]')", "a line in a plot")
    expect(browser.run("document.querySelectorAll('#plots figure').length") == 4, "four plots")
    expect(browser.run("window.mark") == 1, "the page was loaded anew")


def press(browser, act, row=0):
    """By keys alone: from the heading of the list to a button, and Enter."""
    browser.run("document.getElementById('events-title').focus()")
    key = browser.run(f"document.querySelectorAll('#events tbody tr')[{row}].dataset.id")
    browser.tab_to(f"e.dataset.act === '{act}' && e.closest('tr').dataset.id === '{key}'")
    browser.key("Enter")


def message(browser, text):
    browser.wait(f"document.getElementById('events-message').textContent.startsWith('{text}')", text)


def replays_by_keyboard(browser, shop):
    shop.do("answer", status=202, body="")
    count = browser.run(rows("events"))
    press(browser, "Replay")
    browser.wait("document.getElementById('confirm').open", "a question")
    browser.key("Escape")
    message(browser, "Nothing was changed.")
    expect(browser.run(rows("events")) == count, "Escape is no")
    press(browser, "Replay")
    browser.wait("document.getElementById('confirm').open && document.activeElement.id === 'confirm-yes'", "a question")
    browser.key("Enter")
    message(browser, "Replayed 1 dead letter.")
    browser.wait(f"{rows('events')} === {count - 1}", "one letter less")
    expect(browser.run("document.activeElement !== document.body"), "the keyboard has lost its place")
    shop.deliver()
    browser.wait(f"{figure('Waiting')} === '0'", "nothing that waits")


def removes_by_keyboard(browser):
    count = browser.run(rows("events"))
    press(browser, "Remove")
    browser.wait("document.activeElement.id === 'confirm-no'", "a question that is answered no by itself")
    browser.key("Tab", shift=True)
    browser.tab_to("e.id === 'confirm-yes'")
    browser.key("Enter")
    message(browser, "Removed 1 dead letter.")
    browser.wait(f"{rows('events')} === {count - 1}", "one letter less")
    browser.run("document.getElementById('events-title').focus()")
    browser.tab_to("e.name === 'metric'")
    browser.type("Ordered Product")
    browser.key("Enter")
    browser.wait("[...document.querySelectorAll('#events tbody tr td:nth-child(3)')].every((e) => "
                 "e.textContent === 'Ordered Product')", "the filter")
    some = browser.run(rows("events"))
    browser.tab_to("e.id === 'purge-all'")
    browser.key(" ")
    browser.wait(f"document.getElementById('confirm-question').textContent === 'Remove {some} dead letters?'", "a question")
    browser.tab_to("e.id === 'confirm-yes'")
    browser.key("Enter")
    message(browser, f"Removed {some} dead letters.")
    browser.wait("document.getElementById('events').textContent === 'There is no dead letter that matches.'", "none")
    browser.run("document.getElementById('events-title').focus()")
    browser.tab_to("e.name === 'metric'")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="a", code="KeyA", modifiers=2, commands=["selectAll"])
    browser.type(" ")
    browser.key("Enter")
    browser.wait(f"{rows('events')} > 0", "the others")


def shows_one_by_keyboard(browser):
    press(browser, "Show")
    browser.wait("document.getElementById('details').open", "the event")
    text = browser.run("document.getElementById('details').innerText")
    expect("[masked]" in text and "goldenacre" not in text and "Marlowe" not in text, "personal data are shown")
    browser.tab_to("e.id === 'details-close'")
    browser.key("Enter")
    browser.wait("!document.getElementById('details').open", "the end of it")


def finds_an_order_by_keyboard(browser, shop):
    shop.do("answer", status=503, body="")
    shop.do("order", id=BREAKS + "2")
    browser.tab_to("e.name === 'order'")
    browser.type(BREAKS + "2")
    browser.key("Enter")
    browser.wait("document.getElementById('order-message').textContent.startsWith('2 events found')", "the order")
    expect(browser.run(rows("order")) == 2, "its events")
    expect(browser.run("[...document.querySelectorAll('#order td:nth-child(6)')].every((e) => "
                       "['waiting', 'delayed'].includes(e.textContent))"), "where they are")
    shop.deliver()


def lists_held_events_by_keyboard(browser, shop):
    shop.do("answer", status=503, body="")
    shop.do("custom", name="Quiz " + LABEL)
    shop.do("set", name="KLAVIYO_CUSTOM_EVENTS_ENABLED", value="false")
    browser.run("document.getElementById('events-title').focus()")
    browser.tab_to("e.name === 'kind'")
    browser.key("ArrowDown")
    browser.wait(f"{rows('events')} === 1 && document.querySelector('#events td:nth-child(3)').textContent.startsWith('Quiz ')",
                 "the held event")
    expect(browser.run("document.getElementById('replay-all').hidden"), "a replay of held events")
    browser.wait("/custom: 1 event held[.] PBT_KLAVIYO_CUSTOM_EVENTS_ENABLED is false[.] Set "
                 "PBT_KLAVIYO_CUSTOM_EVENTS_ENABLED=true/.test(document.getElementById('held-note').innerText)",
                 "why it is held, and what to do")
    browser.key("ArrowUp")
    browser.wait("document.querySelector('#events caption').textContent.startsWith('Dead')", "the dead letters")
    expect(browser.run("document.getElementById('held-note').hidden"), "a word of held events at the dead letters")
    shop.do("set", name="KLAVIYO_CUSTOM_EVENTS_ENABLED", value="true")
    shop.deliver()


CONTRAST = """(() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
      .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const ground = (e) => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
  const faint = [];
  for (const e of document.querySelectorAll('body *')) {
    const says = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!says || e.disabled || !e.getClientRects().length) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) faint.push(`${e.tagName} ${e.textContent.slice(0, 30)}`);
  }
  return faint;
})()"""


def is_readable(browser):
    grounds = []
    for scheme in ("light", "dark"):
        browser.media(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        grounds.append(browser.run("getComputedStyle(document.body).backgroundColor"))
        faint = browser.run(CONTRAST)
        expect(faint == [], f"too faint in {scheme}: {faint}")
        for width in (1200, 320):
            browser.width(width, 800)
            wide = browser.run("document.documentElement.scrollWidth")
            expect(wide <= width, f"{wide} pixels wide on a screen of {width}")
            out = browser.run(f"""[...document.querySelectorAll('main *')].filter((e) => !e.closest('thead, .skip, svg') &&
                e.getClientRects().length && e.getBoundingClientRect().right > {width}).map((e) => e.outerHTML.slice(0, 80))""")
            expect(out == [], f"beyond a screen of {width}: {out}")
            picture(browser, f"{scheme}-{width}")
    expect(grounds[0] != grounds[1], f"light is as dark: {grounds}")
    expect(browser.run("getComputedStyle(document.querySelector('button')).transitionDuration") == "0s", "motion")
    press(browser, "Show")
    browser.wait("document.getElementById('details').open", "the event")
    expect(browser.run("document.getElementById('details').scrollWidth <= 320"), "the dialog is too wide")
    picture(browser, "details-320")
    browser.key("Escape")
    browser.width(1200, 800)


def picture(browser, name):
    if pictures:
        shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        (pictures / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


def is_named(browser):
    """As a screen reader has it: nothing that can be used is without a name; tables are tables, also on a phone."""
    browser.call("Accessibility.enable")
    for width in (1200, 320):
        browser.width(width, 800)
        nodes = [n for n in browser.call("Accessibility.getFullAXTree")["nodes"] if not n["ignored"]]
        of = lambda node, what: node.get(what, {}).get("value", "")
        for node in nodes:
            if of(node, "role") in ("button", "textbox", "combobox", "radio", "checkbox", "img", "table", "region", "image"):
                expect(of(node, "name"), f"a {of(node, 'role')} has no name")
        roles = [of(node, "role") for node in nodes]
        for role in ("banner", "main", "table", "row", "columnheader", "cell", "status"):
            expect(role in roles, f"there is no {role} at {width}")
    browser.width(1200, 800)
    browser.call("Accessibility.disable")


class Evil(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>evil</title><link rel=icon href=data:,>")

    def log_message(self, *_):
        pass


def refuses_other_pages(browser, serve):
    """A page of another origin, though it had the token."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    browser.open(f"http://127.0.0.1:{server.server_port}/")
    browser.wait("document.title === 'evil'", "the other page")
    asked = f"""fetch('{serve.address}api/purge', {{method: 'POST', body: '{{"kind":"dead"}}', mode: MODE,
        headers: HEADERS}}).then((r) => r.type, () => 'refused')"""
    token = f"{{Authorization: 'Bearer {serve.token}'}}"
    expect(browser.run(asked.replace("MODE", "'cors'").replace("HEADERS", token)) == "refused", "another origin may ask")
    browser.run(asked.replace("MODE", "'no-cors'").replace("HEADERS", "{}"))
    framed = browser.run(f"""new Promise((resolve) => {{
        const frame = document.createElement('iframe');
        frame.src = '{serve.address}';
        frame.onload = () => {{ try {{ resolve(frame.contentDocument === null ? 'foreign' : 'empty'); }} catch {{ resolve('foreign'); }} }};
        document.body.append(frame);
    }})""")
    expect(framed == "foreign" and browser.errors, "nothing was refused")
    server.shutdown()
    browser.errors.clear()  # they say what was refused
    browser.requests.clear()


def outlives_the_program(browser, folder, serve):
    """A tab that is still open when the program ends, and when it starts anew with another token and without
    the server's metrics."""
    expect(serve.close() == 0, "SIGTERM is a clean end")
    browser.wait("document.getElementById('connection').textContent.includes('no answer')", "that there is no answer")
    again = Serve(folder, "--port", str(serve.port))
    browser.wait("document.activeElement.id === 'login-token'", "a question for the new token")
    browser.type(again.token)
    browser.key("Enter")
    browser.wait("!document.getElementById('content').hidden && "
                 "document.getElementById('server').textContent.includes('--metrics http://')", "how to get the rest")
    expect(browser.run("document.querySelectorAll('#plots figure').length") == 1, "the rates are plotted all the same")
    return again


def walk(browser, folder, shop, serve):
    shop.refuse()
    shop.do("custom", name=LABEL)
    shop.do("measure", lines='postbox_outcomes_total{outcome="dead",family="<b>family</b>",type="t",'
                             'lane="<i>lane</i>",cause="<u>cause</u>"} 3\n')
    browser.width(1200, 800)
    needs_the_token(browser, shop, serve)
    loads(browser, serve)
    shows_hostile_texts(browser)
    updates(browser, shop)
    replays_by_keyboard(browser, shop)
    removes_by_keyboard(browser)
    shows_one_by_keyboard(browser)
    finds_an_order_by_keyboard(browser, shop)
    lists_held_events_by_keyboard(browser, shop)
    is_readable(browser)
    is_named(browser)
    no_errors(browser, serve)
    refuses_other_pages(browser, serve)
    loads_again(browser, serve)
    no_errors(browser, serve)


def loads_again(browser, serve):
    browser.open(serve.url)
    browser.wait(f"{rows('events')} > 0", "the list, of which nobody has removed anything")


with tempfile.TemporaryDirectory() as work:
    folder = pathlib.Path(work)
    shop = Shop(folder)
    serve = Serve(folder, "--metrics", shop.metrics)
    browser = chromium.Chromium(program)
    try:
        walk(browser, folder, shop, serve)
        serve = outlives_the_program(browser, folder, serve)
    finally:
        browser.close()
        serve.close()
        shop.close()
print("the page does what it should in " + pathlib.Path(program).name)
