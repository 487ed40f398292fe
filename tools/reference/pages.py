#!/usr/bin/env python3
"""Uses the report and the atlas as a person would, in headless Chromium.

    pages.py FOLDER      # with report.html, large.html, hostile.html, atlas.html, few.html, as PagesTests writes them
    pages.py --picture REPORT.html OUT.png      # draws a report's summary and patch viewer, for the README

Each page must open without an error on the console and without asking for anything, fit any width, and do by keyboard
what it does by mouse; what it shows is compared with the data it carries. Times are printed and not judged: they are
the machine's too. Exit status 1: something is wrong, each on a line of its own.

Needs requirements-pages.txt and a Chromium, $SAED_TEST_BROWSER or "chromium" on the path.
"""

import json
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import TimeoutError, sync_playwright

WIDTHS = [360, 768, 1280, 1800]
failures = []


def check(holds, what):
    if not holds:
        failures.append(what)
        print(f"WRONG: {what}", flush=True)


def equal(found, wanted, what):
    check(found == wanted, f"{what}: {found!r}, not {wanted!r}")


class Opened:
    """A page that was opened; everything it says or asks for is kept."""

    def __init__(self, browser, path, **context):
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
        self.page = self.context.new_page()
        self.said, self.asked, self.name = [], [], path.stem
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")
        # The page's own clock, from navigation on.
        self.ready = int(self.page.evaluate("document.documentElement.dataset.ready"))
        self.data = json.loads(self.page.evaluate("document.getElementById('data').textContent"))

    def text(self, place):
        return self.data["strings"][place]

    def close(self):
        equal(self.said, [], f"{self.name}: said on the console")
        equal([url[:80] for url in self.asked[1:] if not url.startswith("data:")], [], f"{self.name}: asked for")
        equal(self.page.evaluate("window.hurt === undefined"), True, f"{self.name}: no text became a script")
        self.context.close()


# ------------------------------------------------------------------------------------------------ every page

CONTRAST = """() => {
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const rgb = (s) => (s.match(/[\\d.]+/g) || []).map(Number);
  const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] > 0.99) return c.slice(0, 3); } return [255, 255, 255]; };
  const poor = new Map(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let seen = 0; walk.nextNode() && seen < 4000;) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e || e.closest("script, noscript, style, .unseen, option") || !e.checkVisibility()) continue;
    seen++;
    const style = getComputedStyle(e), c = rgb(e.closest("svg") ? style.fill : style.color).slice(0, 3), a = light(c), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.set(`${e.tagName}.${e.getAttribute("class")} ${style.color}`, ratio.toFixed(2));
  }
  return [...poor].map((p) => p.join(" "));
}"""


def reads_well(opened):
    """Names, headings, tables and colours as a screen reader and poor eyes need them."""
    page = opened.page
    equal(page.evaluate(CONTRAST), [], f"{opened.name}: text below a contrast of 4.5")
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].filter((e) => !e.closest('dialog')).map((e) => Number(e.tagName[1]))")
    check(levels[:1] == [1] and levels.count(1) == 1 and all(b <= a + 1 for a, b in zip(levels, levels[1:])), f"{opened.name}: headings {levels}")
    equal(page.evaluate("[...document.querySelectorAll('img:not([alt]), table:not(:has(caption)), th:not([scope])')].length"), 0, f"{opened.name}: pictures without alt, tables without caption or scope")
    equal(page.evaluate("document.documentElement.lang"), "en", "language")
    session = opened.context.new_cdp_session(page)
    session.send("Accessibility.enable")
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    needs = {"button", "link", "searchbox", "textbox", "combobox", "table", "grid", "listbox", "option", "region", "dialog", "columnheader", "navigation"}
    nameless = [node["role"]["value"] for node in nodes if not node["ignored"] and node["role"]["value"] in needs and not node.get("name", {}).get("value", "").strip()]
    # Words of others may be empty: the class without a name is an option without one.
    equal([role for role in nameless if not (opened.name == "hostile" and role in ("option", "columnheader"))], [], f"{opened.name}: controls without a name")
    session.detach()


def fits(opened):
    page, size = opened.page, opened.page.viewport_size
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(150)
        wide = page.evaluate("document.documentElement.scrollWidth")
        check(wide <= width, f"{opened.name}: {wide} pixels wide in a window of {width}")
    page.set_viewport_size(size)


def skips(opened):
    page = opened.page
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    equal(page.evaluate("document.activeElement.className"), "skip", f"{opened.name}: first stop of the tab order")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    check(page.evaluate("!!document.activeElement.closest('main')"), f"{opened.name}: skipped into the content")


def focus_is_seen(opened, selector):
    outline = opened.page.locator(selector).first.evaluate("(e) => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth")
    check(outline.startswith("solid") and outline != "solid0px", f"{opened.name}: focus of {selector} is seen ({outline})")


def comes_back(opened, name, value):
    """The dialog is closed and focus is where it was; the event of closing comes a moment later."""
    try:
        opened.page.wait_for_function("([name, value]) => !document.querySelector('dialog').open && document.activeElement.dataset[name] === value", arg=[name, value], timeout=5000)
    except TimeoutError:
        check(False, f"{opened.name}: Escape closes the dialog and focus comes back to {name} {value}, not {opened.page.evaluate('document.activeElement.outerHTML.slice(0, 80)')}")


# ------------------------------------------------------------------------------------------------ the report

def classes(opened):
    page, rows = opened.page, opened.data["classes"]
    names = lambda: page.locator("#classes-table tbody th").all_text_contents()
    equal(len(names()), len(rows), f"{opened.name}: classes")
    heading = page.locator("#classes-table thead button", has_text="Re-assigned")
    heading.click()
    equal(page.locator("#classes-table thead th[aria-sort=descending]").text_content(), "Re-assigned", f"{opened.name}: sorted by")
    counts = [int(v) for v in page.locator("#classes-table tbody tr td:nth-child(9)").all_text_contents()]
    equal(counts, sorted((row[8] for row in rows), reverse=True), f"{opened.name}: re-assigned, sorted")
    heading.focus()
    page.keyboard.press("Enter")
    equal(page.locator("#classes-table thead th[aria-sort=ascending]").count(), 1, f"{opened.name}: sorted the other way by key")
    if page.locator("#class-search").count():
        wanted = opened.text(rows[0][0])
        page.fill("#class-search", wanted)
        check(wanted in names() and len(names()) < len(rows), f"{opened.name}: classes found with {wanted!r}")
        page.fill("#class-search", "")


def flow(opened):
    page, data = opened.page, opened.data
    nodes = page.locator("#flow-figure .node").count()
    check(4 <= nodes <= 40, f"{opened.name}: {nodes} nodes in the flow picture")
    # Every latent that joined a class is one move, and every one that left and joined none one for each.
    moves = sum(len(l[3]) if l[3] else len(l[2]) for l in data["latents"])
    said = page.locator("#flow-said").text_content().replace("\u202f", "")
    check(said.startswith(f"{moves} move"), f"{opened.name}: {moves} moves, it says {said!r}")
    chosen = max(range(len(data["classes"])), key=lambda c: sum(c in l[3] for l in data["latents"]))
    page.fill("#flow-class", opened.text(data["classes"][chosen][0]))
    joined, left = (sum(chosen in l[side] for l in data["latents"]) for side in (3, 2))
    equal(page.locator("#flow-list ul").nth(0).locator("li").count(), joined, f"{opened.name}: latents that joined")
    equal(page.locator("#flow-list ul").nth(1).locator("li").count(), left, f"{opened.name}: latents that left")
    page.get_by_role("button", name="All classes").click()
    node = page.locator("#flow-figure .node[role=button]").first
    name = node.get_attribute("aria-label").split(", ")[0]
    node.focus()
    page.keyboard.press("Enter")
    check(page.input_value("#flow-class").startswith(name[:5]), f"{opened.name}: a class chosen by key")
    page.get_by_role("button", name="All classes").click()


def latents(opened):
    page, data = opened.page, opened.data
    shown = [l for l in data["latents"] if any(side and side[7] for side in (l[7], l[8]))]
    cards = page.locator("#latent-cards > li")
    equal(cards.count(), len(shown), f"{opened.name}: latents shown")
    page.fill("#latent-search", str(shown[-1][0]))
    equal(cards.first.get_attribute("data-card"), str(shown[-1][0]), f"{opened.name}: a latent found by number")
    page.fill("#latent-search", "")
    card = cards.first
    card.scroll_into_view_if_needed()
    card.locator(".sheet").first.wait_for()
    side = next(side for side in (shown[0][7], shown[0][8]) if side)
    equal(card.locator(".strip").first.locator("li").count(), min(6, len(side[7])), f"{opened.name}: images of a sheet")
    check(card.locator("canvas").first.evaluate("(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0)"), f"{opened.name}: a heat map has colours")
    button = card.locator("h3 button")
    button.focus()
    page.keyboard.press("Enter")
    check(page.locator("dialog").is_visible(), f"{opened.name}: the dialog opens by key")
    equal(page.evaluate("document.activeElement.closest('dialog') !== null"), True, f"{opened.name}: focus is in the dialog")
    check(page.locator("dialog h2").text_content().startswith(f"Latent {shown[0][0]}"), f"{opened.name}: the dialog's title")
    page.keyboard.press("Escape")
    comes_back(opened, "latent", str(shown[0][0]))


def changed(opened):
    page, rows = opened.page, opened.data["changed"]
    became_right = sum(not row[5] and row[6] for row in rows)
    page.get_by_role("button", name="Became right").click()
    equal(page.locator("#changed-list > li").count(), min(48, became_right), f"{opened.name}: images that became right")
    if became_right > 48:
        page.locator("#changed .button", has_text="Show more").click()
        equal(page.locator("#changed-list > li").count(), min(144, became_right), f"{opened.name}: more images")
    page.locator("#changed-controls .button").first.click()


def patches(opened):
    page, data = opened.page, opened.data
    viewer, columns = data["viewer"][0], data["columns"]
    section = page.locator("#patches")
    section.scroll_into_view_if_needed()
    cell = lambda place: page.locator(f"#viewer [data-cell='{place}']")
    listed = lambda: [int(v) for v in page.locator("#viewer-panel [data-row]").evaluate_all("(rows) => rows.map((r) => r.dataset.row)")]
    of = lambda place: viewer["tokens"][place + 1][0::3]
    equal(listed(), viewer["whole"][0::3], f"{opened.name}: latents of the whole image")
    place = max(range(len(viewer["tokens"]) - 1), key=lambda p: len(of(p)))
    cell(place).hover()
    equal(page.locator("#viewer-panel .place").text_content(), f"Patch {place // columns},{place % columns}", f"{opened.name}: the patch pointed at")
    equal(listed(), of(place), f"{opened.name}: latents of the patch pointed at")
    first = viewer["tokens"][place + 1][:3]
    numbers = page.locator("#viewer-panel tbody tr").first.locator("td.n").all_text_contents()
    for number, value in zip(numbers, first[1:]):
        check(number == "·" if value == 0 else abs(float(number) - value) <= 0.01 * value + 0.005, f"{opened.name}: {number} printed for {value}")
    # Held, it stays while the mouse goes to a latent, which lights up in the image.
    cell(place).click()
    page.locator("#viewer-panel [data-row]").first.hover()
    equal(listed(), of(place), f"{opened.name}: a held patch stays")
    check(page.locator("#viewer .over > canvas").is_visible(), f"{opened.name}: the latent's heat map lies over the image")
    page.locator("#viewer-panel button.latent").first.click()
    check(page.locator("dialog h2").text_content().startswith(f"Latent {of(place)[0]}"), f"{opened.name}: a click on a latent opens its sheet")
    page.keyboard.press("Escape")
    # By keyboard alone.
    page.locator("#viewer [role=option]").first.focus()
    page.keyboard.press("Tab")
    equal(page.evaluate("document.activeElement.getAttribute('role')"), "gridcell", f"{opened.name}: Tab goes from the images to the grid")
    start = int(page.evaluate("document.activeElement.dataset.cell"))
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    at = int(page.evaluate("document.activeElement.dataset.cell"))
    # Down, down and up; the last row is the last.
    row = max(0, min(start // columns + 2, data["rows"] - 1) - 1)
    equal(at, row * columns + 1, f"{opened.name}: arrows walk the grid")
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    equal(page.evaluate("document.activeElement.dataset.cell"), str((row + 1) * columns - 1), f"{opened.name}: the grid ends where it ends")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    equal(listed(), of(at), f"{opened.name}: latents of the patch walked to")
    focus_is_seen(opened, f"#viewer [data-cell='{at}']")
    label = page.evaluate("document.activeElement.getAttribute('aria-label')")
    check(label.startswith(f"Patch {at // columns},1") and all(str(l) in label for l in of(at)[:1]), f"{opened.name}: a patch says {label!r}")
    page.keyboard.press("Enter")
    check(page.locator("#viewer-live").text_content().startswith(f"Patch {at // columns},1"), f"{opened.name}: a held patch is announced")
    page.keyboard.press("Escape")
    equal(listed(), viewer["whole"][0::3], f"{opened.name}: Escape lets go")
    page.get_by_role("button", name="Class token").click()
    equal(listed(), of(-1), f"{opened.name}: latents of the class token")
    page.locator("#viewer [role=option]").first.focus()
    page.keyboard.press("ArrowRight")
    equal(page.locator("#viewer [aria-selected=true]").get_attribute("title"), opened.text(data["viewer"][1]["path"]), f"{opened.name}: the next image by key")


def report(opened):
    reads_well(opened)
    skips(opened)
    classes(opened)
    flow(opened)
    latents(opened)
    changed(opened)
    patches(opened)
    reads_well(opened)
    fits(opened)
    opened.close()


def hostile(opened):
    page, data = opened.page, opened.data
    texts = page.locator("#classes-table tbody th").evaluate_all("(cells) => cells.map((c) => c.textContent)")
    equal(sorted(texts), sorted(opened.text(row[0]) or "(empty)" for row in data["classes"]), "hostile: class names as they were given")
    check(any("</script><script>" in text for text in texts), "hostile: a name that ends scripts is shown")
    page.fill("#flow-class", opened.text(data["classes"][0][0]))
    for box in page.locator("#viewer [role=option]").all():
        box.click()
    page.evaluate("for (const b of document.querySelectorAll('#latent-cards h3 button')) { b.click(); document.querySelector('dialog').close(); }")
    reads_well(opened)
    fits(opened)
    opened.close()


# ------------------------------------------------------------------------------------------------ the atlas

FRAMES = """async () => {
  const times = [], body = document.getElementById("rows-body");
  let last = performance.now(), blank = 0;
  for (let i = 0; i < 120; i++) {
    scrollBy(0, 240);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
    const middle = document.elementFromPoint(innerWidth / 2, innerHeight * 0.7);
    if (!middle || !middle.closest(".arow")) blank++;
  }
  return { times, blank };
}"""


def table_roles(opened):
    """Roles below the table as the accessibility tree has it, level by level."""
    session = opened.context.new_cdp_session(opened.page)
    nodes = {node["nodeId"]: node for node in session.send("Accessibility.getFullAXTree")["nodes"]}
    session.detach()
    level, roles = [node for node in nodes.values() if node.get("role", {}).get("value") == "table" and node.get("name", {}).get("value") == "Latents"], []
    while level:
        level = [nodes[child] for node in level for child in node.get("childIds", []) if child in nodes]
        roles += [node["role"]["value"] for node in level if not node["ignored"]]
    return roles


def atlas(opened):
    page, all_latents = opened.page, opened.data["latents"]
    rows = page.locator(".arow")
    number = lambda row: int(row.locator(".who > span").text_content().removeprefix("latent "))
    visible = lambda: [number(row) for row in rows.all()]
    reads_well(opened)
    skips(opened)
    equal(table_roles(opened)[:2], ["rowgroup", "rowgroup"], f"{opened.name}: the table owns its heads and rows")
    check(table_roles(opened).count("columnheader") == 7 and "cell" in table_roles(opened), f"{opened.name}: the table's heads and cells")
    equal(page.locator("#rows").get_attribute("aria-rowcount"), str(len(all_latents) + 1), f"{opened.name}: rows that are told")
    check(rows.count() < 60, f"{opened.name}: {rows.count()} rows exist at once")
    order = [l[0] for l in all_latents]
    # Anywhere in the list the rows in sight are the list's.
    for share in (0, 0.31, 0.77, 1):
        page.evaluate(f"scrollTo({{ top: document.documentElement.scrollHeight * {share}, behavior: 'instant' }})")
        page.wait_for_timeout(80)
        for row in rows.all():
            at = int(row.get_attribute("data-index"))
            equal(number(row), order[at], f"{opened.name}: row {at}")
            place = row.evaluate("(r) => (r.getBoundingClientRect().top - r.parentElement.getBoundingClientRect().top) / r.getBoundingClientRect().height")
            check(abs(place - at) < 0.01, f"{opened.name}: row {at} lies at {place}")
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    frames = page.evaluate(FRAMES)
    times = sorted(frames["times"])
    print(f"{opened.name}: 120 frames of 240 pixels: median {statistics.median(times):.1f} ms, 95 % {times[113]:.1f} ms, longest {times[-1]:.1f} ms, {frames['blank']} with a gap")
    # Search and order, against the data.
    words = next((opened.text(l[1][0]) for l in all_latents if l[1] and l[1][1]), "latent").split(",")[0]
    start = time.monotonic()
    page.fill("#atlas-search", words)
    page.wait_for_timeout(0)
    took = time.monotonic() - start
    hay = lambda l: " ".join([str(l[0]), opened.text(l[1][0]) if l[1] else ""] + [opened.text(x[0]) for x in l[10]]).lower()
    wanted = sum(words.lower() in hay(l) for l in all_latents)
    count = page.locator("#atlas-count").text_content().replace("\u202f", "")
    check(count.startswith(f"{wanted} "), f"{opened.name}: {wanted} latents have {words!r}, it says {count!r}")
    print(f"{opened.name}: search in {took * 1000:.0f} ms, {wanted} found")
    page.fill("#atlas-search", "no such word anywhere")
    check(page.locator("#nothing").is_visible() and rows.count() == 0, f"{opened.name}: nothing is found")
    page.fill("#atlas-search", str(order[-1]))
    equal(number(rows.first), order[-1], f"{opened.name}: found by number")
    page.fill("#atlas-search", "")
    page.evaluate("scrollTo(0, 0)")
    page.locator("[data-sort=frequency] button").click()
    page.wait_for_timeout(80)
    equal(page.locator("[data-sort=frequency]").get_attribute("aria-sort"), "descending", f"{opened.name}: sorted by frequency")
    by = sorted(all_latents, key=lambda l: -l[3])
    sorted_rows = sorted(rows.all(), key=lambda row: int(row.get_attribute("data-index")))
    equal([number(row) for row in sorted_rows][:8], [l[0] for l in by][: min(8, len(sorted_rows))], f"{opened.name}: the most frequent first")
    # By keyboard.
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("/")
    equal(page.evaluate("document.activeElement.id"), "atlas-search", f"{opened.name}: / searches")
    rows.first.focus()
    page.keyboard.press("End")
    equal(page.evaluate("document.activeElement.dataset.index"), str(len(all_latents) - 1), f"{opened.name}: End goes to the last row")
    focus_is_seen(opened, ".arow:focus")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    equal(page.evaluate("document.activeElement.dataset.index"), "1", f"{opened.name}: arrows walk the rows")
    page.keyboard.press("Enter")
    check(page.locator("dialog h2").text_content().startswith(f"Latent {by[1][0]}"), f"{opened.name}: Enter opens the row")
    equal(page.locator("dialog .sheet li").count(), len(by[1][11]), f"{opened.name}: the sheet in the dialog")
    page.locator("dialog button", has_text="Next").click()
    check(page.locator("dialog h2").text_content().startswith(f"Latent {by[2][0]}"), f"{opened.name}: the next latent")
    page.keyboard.press("Escape")
    comes_back(opened, "index", "2")
    page.select_option("#atlas-which", "sure")
    sure = sum(bool(l[1] and l[1][1]) for l in all_latents)
    check(page.locator("#atlas-count").text_content().replace("\u202f", "").startswith(f"{sure} "), f"{opened.name}: {sure} sure names")
    fits(opened)
    opened.close()


# ------------------------------------------------------------------------------------------------ all of it

def picture(browser, path, output):
    opened = Opened(browser, path, viewport={"width": 1240, "height": 1000})
    page = opened.page
    page.evaluate("document.querySelectorAll('section:not(#accuracy, #patches), .theme, footer, #accuracy .lede').forEach((e) => e.remove())")
    page.evaluate("document.querySelectorAll('section').forEach((e) => (e.style.marginBottom = '1.5rem'))")
    # Where a latent with a sure name that the label has is strongest; else any latent with a sure name; else any.
    words = {l[0]: opened.text(l[1][0]) for l in opened.data["latents"] if l[1] and l[1][1]}
    found = []
    for at, viewer in enumerate(opened.data["viewer"]):
        label = opened.text(viewer["label"]) if viewer["label"] >= 0 else ""
        for place, flat in enumerate(viewer["tokens"][1:]):
            found += [(words.get(flat[i], "?") in label, flat[i] in words, flat[i + 2], at, place, flat[i]) for i in range(0, len(flat), 3)]
    *_, at, place, latent = max(found)
    page.locator("#viewer [role=option]").nth(at).click()
    page.locator(f"#viewer [data-cell='{place}']").click()
    page.locator(f"#viewer-panel [data-row='{latent}']").hover()
    page.evaluate("scrollTo(0, 0)")
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(200)
    page.evaluate("document.querySelectorAll('[aria-current]').forEach((a) => a.removeAttribute('aria-current'))")
    page.screenshot(path=output, full_page=True)
    opened.close()


def main():
    program = os.environ.get("SAED_TEST_BROWSER") or shutil.which("chromium")
    with sync_playwright() as playwright:
        # In a container there is no user namespace for its sandbox; the pages are ours.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        if sys.argv[1] == "--picture":
            return picture(browser, Path(sys.argv[2]).resolve(), sys.argv[3])
        folder = Path(sys.argv[1])
        print("Chromium", browser.version)
        for name, use in [("report", report), ("large", report), ("hostile", hostile), ("atlas", atlas), ("few", atlas)]:
            path = folder / f"{name}.html"
            opened = Opened(browser, path)
            print(f"{name}: {path.stat().st_size:,} bytes, ready {opened.ready} ms after opening", flush=True)
            use(opened)
        for name in ("report", "atlas"):
            dark = Opened(browser, folder / f"{name}.html", color_scheme="dark", reduced_motion="reduce")
            reads_well(dark)
            paper = dark.page.evaluate("getComputedStyle(document.body).backgroundColor")
            equal(paper, "rgb(22, 21, 19)", f"{name}: dark where the system is")
            equal(dark.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior"), "auto", f"{name}: nothing moves where that is wished")
            dark.page.locator("#theme").click()
            check(dark.page.evaluate("getComputedStyle(document.body).backgroundColor") != paper, f"{name}: the theme's button")
            dark.close()
        browser.close()
    print(f"{len(failures)} wrong")
    sys.exit(1 if failures else 0)


main()
