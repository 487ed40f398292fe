// The patch viewer of a report: one image, its grid of patches as a grid of cells that mouse, arrow keys and a screen
// reader can walk, and what both views find at the place in question.
// Places: -2 the whole image, -1 the class token, from 0 on the patches row by row.

(() => {
  const host = find("viewer");
  if (!host) return;
  let at = 0, pinned = -2, place = -2, lit = null, side = 1;
  const entry = () => data.viewer[at];
  const placeName = (p) => (p === -2 ? "Whole image, mean over its patches" : p === -1 ? "Class token" : `Patch ${Math.floor(p / data.columns)},${p % data.columns}`);
  // Triples of latent, base, adapted.
  const triples = (p) => {
    const flat = p === -2 ? entry().whole : entry().tokens[p + 1], out = [];
    for (let i = 0; i < flat.length; i += 3) out.push([flat[i], flat[i + 1], flat[i + 2]]);
    return out;
  };

  const image = h("img", { alt: "" });
  const canvas = h("canvas", { "aria-hidden": "true", hidden: true });
  const dark = h("div", { class: "unseen-part", "aria-hidden": "true" });
  const cells = Array.from({ length: data.rows * data.columns }, (_, i) => h("div", { role: "gridcell", tabindex: "-1", "data-cell": i }));
  const grid = h("div", { class: "cells", role: "grid", "aria-label": "Patches of the image: arrow keys move, Enter holds one, Escape lets go", "aria-rowcount": data.rows, "aria-colcount": data.columns },
    Array.from({ length: data.rows }, (_, r) => h("div", { role: "row" }, cells.slice(r * data.columns, (r + 1) * data.columns))));
  grid.style.gridTemplate = `repeat(${data.rows}, 1fr) / repeat(${data.columns}, 1fr)`;
  const over = h("div", { class: "over" }, canvas, grid);
  const view = h("div", { class: "view" }, image, dark, over);
  const announce = h("p", { class: "unseen", role: "status", "aria-live": "polite", id: "viewer-live" });
  const panel = h("div", { class: "panel", id: "viewer-panel" });
  const heading = h("p", { class: "small" });
  const answers = h("div");
  const why = h("div");
  const tabs = h("div", { class: "pick", role: "listbox", "aria-label": "Images", "aria-orientation": "horizontal" });

  const modes = [["base", 0], ["adapted", 1]].map(([, i]) => h("button", { class: "button", type: "button", "aria-pressed": String(i === side), click: () => { side = i; mark(); } }, i === 0 ? said(base) : said(adapted)));
  const whole = h("button", { class: "button", type: "button", click: () => pin(-2) }, "Whole image");
  const token = h("button", { class: "button", type: "button", click: () => pin(-1) }, "Class token");
  const effects = h("button", { class: "button", type: "button", "aria-pressed": "false", click: () => { lit = lit === "why" ? null : "why"; mark(); } }, "Why it changed");

  function picks() {
    tabs.replaceChildren(...data.viewer.map((v, i) => {
      const b = h("button", { type: "button", role: "option", "aria-selected": String(i === at), tabindex: i === at ? "0" : "-1", "aria-label": text(v.path) + (v.label < 0 ? "" : ", label " + text(v.label)), title: text(v.path), click: () => open(i) });
      const box = h("div", { class: "tile" });
      box.style.aspectRatio = "1";
      if (v.picture >= 0) { const t = h("img", { alt: "", decoding: "async" }); Object.assign(t.style, { inset: "0", width: "100%", height: "100%", objectFit: "cover" }); t.src = source(v.picture); box.append(t); }
      b.append(box);
      return b;
    }));
  }
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -1e9, End: 1e9 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    open(Math.max(0, Math.min(data.viewer.length - 1, at + step)));
    tabs.children[at].focus();
  });

  function open(i) {
    at = i;
    lit = null;
    const v = entry();
    if (!v.maps) v.maps = new Map(v.grids.map(([latent, ...maps]) => [latent, maps]));
    [...tabs.children].forEach((b, j) => { b.setAttribute("aria-selected", String(j === i)); b.tabIndex = j === i ? 0 : -1; });
    const b = tabs.children[i];
    if (b && tabs.scrollTo) tabs.scrollTo({ left: b.offsetLeft - tabs.clientWidth / 2 });
    image.hidden = v.picture < 0;
    dark.hidden = true;
    Object.assign(over.style, { left: "0", top: "0", width: "100%", height: "100%" });
    view.style.aspectRatio = `${data.columns} / ${data.rows}`;
    if (v.picture >= 0) {
      const [, , , width, height, x, y, w, hh] = data.pictures[v.picture], place = { left: (x / width) * 100 + "%", top: (y / height) * 100 + "%", width: (w / width) * 100 + "%", height: (hh / height) * 100 + "%" };
      view.style.aspectRatio = `${width} / ${height}`;
      image.src = source(v.picture);
      image.alt = text(v.path);
      Object.assign(over.style, place);
      Object.assign(dark.style, place);
      dark.hidden = w >= width && hh >= height;
    }
    heading.replaceChildren(said(text(v.path)), v.label < 0 ? "" : [" · label "], v.label < 0 ? "" : said(text(v.label)));
    const rows = Math.max(v.answers[0].length, v.answers[1].length), cell = (a) => [h("td", {}, a ? said(text(a[0])) : ""), h("td", { class: "n" }, a ? percent(a[1]) : "")];
    answers.replaceChildren(rows ? h("table", { class: "answers" }, h("caption", { class: "unseen" }, "Answers of both views"), h("thead", {}, h("tr", {}, h("th", { scope: "col", colspan: 2 }, key(0)), h("th", { scope: "col", colspan: 2 }, key(1)))),
      h("tbody", {}, Array.from({ length: Math.min(rows, 3) }, (_, r) => h("tr", {}, cell(v.answers[0][r]), cell(v.answers[1][r]))))) : "");
    explain(v.why);
    cells.forEach((c, p) => { c.setAttribute("aria-label", brieflySaid(p)); c.tabIndex = -1; });
    cells[0].tabIndex = 0;
    pin(-2, true);
    announce.textContent = `${text(v.path)}: ${v.answers[0].length ? `${base} answers ${text(v.answers[0][0][0])}, ${adapted} ${text(v.answers[1][0][0])}` : "no answers"}`;
  }
  showImage = open;

  function explain(w) {
    effects.hidden = !w || w.patches.length === 0;
    if (!w) return why.replaceChildren();
    const largest = Math.max(1e-9, ...w.parts.map((p) => Math.abs(p[1])));
    why.replaceChildren(h("h3", {}, "Why the answer changed"), h("p", { class: "note" }, "Logit of ", said(text(w.name)), " less that of ", said(text(w.against)), ": ", (w.change > 0 ? "+" : "") + brief(w.change), ", made up of"),
      h("table", {}, h("caption", { class: "unseen" }, "Parts of the change"), h("tbody", {}, w.parts.map(([part, change]) => h("tr", {}, h("th", { scope: "row" }, text(part)), h("td", { class: "n" }, (change > 0 ? "+" : "") + fixed(change, 3)),
        h("td", {}, bar(change / largest)))))),
      w.latents.length ? h("p", { class: "moves" }, "Latents that moved it most: ", w.latents.slice(0, 8).map(([latent, c], i) => [i ? ", " : "", link(latent), h("span", { class: "dim" }, " " + (c > 0 ? "+" : "") + fixed(c, 3))])) : null);
  }
  const bar = (v) => s("svg", { width: 120, height: 10, viewBox: "0 0 120 10", "aria-hidden": "true" }, s("line", { class: "axis", x1: 60, x2: 60, y1: 0, y2: 10 }), s("rect", { class: v < 0 ? "c-base" : "c-adapted", x: v < 0 ? 60 + v * 58 : 60, y: 2, width: Math.abs(v) * 58, height: 6 }));

  function brieflySaid(p) {
    const all = triples(p), top = (i) => all.filter((t) => t[i] > 0).sort((x, y) => y[i] - x[i]).slice(0, 3).map((t) => { const e = known(t[0]); return `${t[0]}${e && e[1] && e[1][1] ? " " + text(e[1][0]) : ""} ${brief(t[i])}`; }).join(", ") || "none";
    return `${placeName(p)}. ${base}: ${top(1)}. ${adapted}: ${top(2)}`;
  }

  function show(p) {
    place = p;
    const all = triples(p), largest = Math.max(1e-9, ...all.flatMap((t) => [t[1], t[2]]));
    const half = (v, cls) => h("div", { class: "half " + cls, "aria-hidden": "true" }, h("i", { style: { width: (v / largest) * 100 + "%" } }));
    panel.replaceChildren(h("p", { class: "place" }, placeName(p)),
      all.length === 0 ? h("p", { class: "note" }, "No latent is active here in either view.") :
      h("table", { class: "butterfly" }, h("caption", { class: "unseen" }, `Strongest latents, ${placeName(p)}`), h("colgroup", {}, h("col", { class: "who" }), h("col", { class: "val" }), h("col"), h("col"), h("col", { class: "val" })),
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Latent"), h("th", { scope: "col", class: "n", colspan: 2 }, key(0)), h("th", { scope: "col", colspan: 2 }, key(1)))),
        h("tbody", {}, all.map((t) => h("tr", { "data-row": t[0], class: lit === t[0] ? "lit" : null, mouseenter: () => light(t[0]), focusin: () => light(t[0]) },
          h("th", { scope: "row" }, link(t[0])), h("td", { class: "n" }, t[1] > 0 ? brief(t[1]) : "·"), h("td", {}, half(t[1], "left")), h("td", {}, half(t[2], "right")), h("td", { class: "n" }, t[2] > 0 ? brief(t[2]) : "·"))))));
    mark();
  }

  function light(latent) {
    lit = latent;
    mark();
  }
  function mark() {
    const v = entry();
    cells.forEach((c, i) => c.classList.toggle("here", i === place));
    panel.querySelectorAll("[data-row]").forEach((r) => r.classList.toggle("lit", Number(r.dataset.row) === lit));
    modes.forEach((m, i) => m.setAttribute("aria-pressed", String(i === side)));
    effects.setAttribute("aria-pressed", String(lit === "why"));
    canvas.hidden = lit === null;
    if (lit === "why" && v.why && v.why.patches.length) {
      const most = Math.max(1e-12, ...v.why.patches.map(Math.abs));
      paint(canvas, (i) => { const x = v.why.patches[i] / most; return (x < 0 ? [5, 113, 176] : [202, 0, 32]).concat(Math.min(Math.abs(x) / 0.6, 1) * 200); });
    } else if (typeof lit === "number") {
      const maps = v.maps.get(lit);
      if (!maps) { canvas.hidden = true; return; }
      // One scale for both views.
      const scale = maps[side * 2 + 1] / Math.max(1e-12, maps[1], maps[3]), of = levels(maps[side * 2]);
      paint(canvas, (i) => colours[Math.round(of[i] * scale)]);
    }
  }

  function pin(p, quiet) {
    pinned = p;
    lit = lit === "why" ? lit : null;
    show(p);
    if (!quiet) announce.textContent = brieflySaid(p);
  }
  grid.addEventListener("mousemove", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (!cell || Number(cell.dataset.cell) === place) return;
    if (typeof lit === "number") lit = null;
    show(Number(cell.dataset.cell));
  });
  grid.addEventListener("mouseleave", () => { if (place !== pinned) { if (typeof lit === "number") lit = null; show(pinned); } });
  grid.addEventListener("click", (event) => {
    const cell = event.target.closest("[data-cell]");
    if (!cell) return;
    const p = Number(cell.dataset.cell);
    focusCell(p);
    pin(p === pinned ? -2 : p);
  });
  function focusCell(p) {
    cells.forEach((c, i) => (c.tabIndex = i === p ? 0 : -1));
    cells[p].focus({ preventScroll: true });
  }
  grid.addEventListener("focusin", (event) => {
    const p = Number(event.target.dataset.cell);
    if (Number.isInteger(p) && p !== place) { if (typeof lit === "number") lit = null; show(p); }
  });
  grid.addEventListener("focusout", (event) => { if (!grid.contains(event.relatedTarget) && place !== pinned) show(pinned); });
  grid.addEventListener("keydown", (event) => {
    const p = Number(event.target.dataset.cell), c = p % data.columns, r = Math.floor(p / data.columns);
    const go = { ArrowRight: c < data.columns - 1 ? p + 1 : p, ArrowLeft: c > 0 ? p - 1 : p, ArrowDown: r < data.rows - 1 ? p + data.columns : p, ArrowUp: r > 0 ? p - data.columns : p, Home: r * data.columns, End: (r + 1) * data.columns - 1 };
    if (event.key in go) { event.preventDefault(); focusCell(go[event.key]); }
    else if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pin(p); }
    else if (event.key === "Escape") { event.preventDefault(); pin(-2); }
  });

  host.append(tabs, heading, h("div", { class: "viewer" },
    h("div", {}, view, h("div", { class: "controls" }, whole, token), h("div", { class: "controls" }, h("span", { class: "dim" }, "Heat map in"), h("span", { class: "group", role: "group", "aria-label": "View of the heat map" }, modes), effects), answers),
    h("div", {}, panel, why)), announce);
  picks();
  open(0);
})();

// ---------------------------------------------------------------- contents: where one is

(() => {
  const links = [...document.querySelectorAll("nav a")];
  const observer = new IntersectionObserver((entries) => {
    for (const e of entries) if (e.isIntersecting) links.forEach((a) => (a.getAttribute("href") === "#" + e.target.id ? a.setAttribute("aria-current", "true") : a.removeAttribute("aria-current")));
  }, { rootMargin: "-15% 0px -75% 0px" });
  document.querySelectorAll("section[id]").forEach((section) => observer.observe(section));
})();
// Milliseconds from the page's opening to here.
document.documentElement.dataset.ready = Math.round(performance.now());
