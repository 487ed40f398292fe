// The atlas of a view: a table of which only the rows in sight exist. All rows have one height, so a row's place is its
// number times it; the table's height is that of all rows and the window scrolls.
// A latent: [latent, name, images active, frequency, mean, peak, entropy top, entropy, class frequency, patch frequency, labels, sheet].

(() => {
  const all = data.latents, host = find("rows"), body = find("rows-body");
  const hay = all.map((l) => (String(l[0]) + " " + (l[1] ? text(l[1][0]) : "") + " " + l[10].map((x) => text(x[0])).join(" ")).toLowerCase());
  const sorts = {
    number: { title: "Latent", get: (l) => l[0] },
    name: { title: "Name", get: (l) => (l[1] && text(l[1][0]) !== "" ? (l[1][1] ? "0" : "1") + text(l[1][0]).toLowerCase() : null) },
    frequency: { title: "Active on", n: true, get: (l) => l[3] },
    mean: { title: "Mean", n: true, get: (l) => l[4] },
    peak: { title: "Peak", n: true, get: (l) => l[5] },
    entropy: { title: "Entropy", get: (l) => l[6] ?? l[7], hint: "Label entropy in nats, over the top images" },
  };
  let by = "number", down = false, shown = [], height = 104, focused = -1;
  const live = new Map();

  // ---- the row
  function build(i) {
    const l = all[shown[i]], cell = (cls, ...kids) => h("div", { role: "cell", class: cls }, kids);
    const row = h("div", { role: "row", class: "arow", tabindex: i === focused || (focused < 0 && i === 0) ? "0" : "-1", "aria-rowindex": i + 2, "data-index": i, "aria-label": spoken(l) },
      cell("who", h("b", {}, l[1] ? nameOf(l[1]) : h("span", { class: "dim" }, "unnamed")), h("span", {}, "latent " + l[0])),
      cell("num", rate(l[3])), cell("num", brief(l[4])), cell("num", brief(l[5])), cell("num", fixed(l[6] ?? l[7], 2)),
      cell("tops", l[10].slice(0, 4).map(([label, share]) => [said(text(label), { title: text(label) }), h("span", { class: "num dim" }, percent(share, 0))])),
      cell("pics", l[11].slice(0, 8).map(([image, , , grid]) => tile(image, grid, ""))));
    row.style.transform = `translateY(${i * height}px)`;
    return row;
  }
  const spoken = (l) => `Latent ${l[0]}, ${l[1] && text(l[1][0]) ? text(l[1][0]) + (l[1][1] ? "" : ", unsure") : "unnamed"}, active on ${rate(l[3])} of images, mean ${brief(l[4])}, peak ${brief(l[5])}`;

  // ---- which rows are in sight
  let asked = false;
  function render() {
    asked = false;
    const top = -body.getBoundingClientRect().top, first = Math.max(0, Math.floor(top / height) - 4), last = Math.min(shown.length, Math.ceil((top + innerHeight) / height) + 4);
    for (const [i, row] of live) if ((i < first || i >= last) && i !== focused) { row.remove(); live.delete(i); }
    const fresh = [];
    for (let i = first; i < last; i++) if (!live.has(i)) { const row = build(i); live.set(i, row); fresh.push(row); }
    body.append(...fresh);
  }
  const ask = () => { if (!asked) { asked = true; requestAnimationFrame(render); } };
  function measure() {
    const probe = h("div", { class: "arow" });
    body.append(probe);
    height = probe.getBoundingClientRect().height || height;
    probe.remove();
  }
  function reset() {
    live.forEach((row) => row.remove());
    live.clear();
    body.style.height = shown.length * height + "px";
    host.setAttribute("aria-rowcount", shown.length + 1);
    render();
  }
  addEventListener("scroll", ask, { passive: true });
  addEventListener("resize", () => { measure(); reset(); });

  // ---- search and order
  const search = h("input", { type: "search", id: "atlas-search", placeholder: "number, word or label", autocomplete: "off", "aria-keyshortcuts": "/" });
  const which = h("select", { id: "atlas-which" }, [["all", "all latents"], ["sure", "with a sure name"], ["unsure", "with an unsure name"], ["unnamed", "without a name"]].map(([v, words]) => h("option", { value: v }, words)));
  const sort = h("select", { id: "atlas-sort" }, Object.entries(sorts).map(([k, o]) => h("option", { value: k }, o.title.toLowerCase())));
  const count = h("span", { role: "status", class: "dim", id: "atlas-count" });
  const isOf = { all: () => true, sure: (l) => l[1] && l[1][1], unsure: (l) => l[1] && !l[1][1] && text(l[1][0]) !== "", unnamed: (l) => !l[1] || text(l[1][0]) === "" };
  const heads = Object.entries(sorts).filter(([k]) => k !== "name").map(([k, o]) =>
    h("div", { role: "columnheader", "data-sort": k, class: k === "number" ? "" : "num", title: o.hint, "aria-sort": "none" }, h("button", { type: "button", click: () => { down = by === k ? !down : !!o.n; by = k; fill(); } }, o.title)));
  function fill(stay) {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter((w) => w), get = sorts[by].get, keep = isOf[which.value];
    shown = [];
    for (let i = 0; i < all.length; i++) if (keep(all[i]) && wanted.every((w) => hay[i].includes(w))) shown.push(i);
    const values = new Map(shown.map((i) => [i, get(all[i])]));
    // A number that was asked for stands first.
    const exact = wanted.length === 1 && /^\d+$/.test(wanted[0]) ? Number(wanted[0]) : -1;
    shown.sort((a, b) => {
      if ((all[a][0] === exact) !== (all[b][0] === exact)) return all[a][0] === exact ? -1 : 1;
      const x = values.get(a), y = values.get(b);
      if (x === y) return a - b;
      if (x === null || x === undefined) return 1;
      if (y === null || y === undefined) return -1;
      return (x < y ? -1 : 1) * (down ? -1 : 1);
    });
    heads.forEach((e) => e.setAttribute("aria-sort", e.dataset.sort === by ? (down ? "descending" : "ascending") : "none"));
    sort.value = by;
    count.textContent = shown.length === all.length ? plural(all.length, "latent") : `${whole(shown.length)} of ${plural(all.length, "latent")}`;
    find("nothing").hidden = shown.length > 0;
    focused = -1;
    const bar = find("toolbar").getBoundingClientRect();
    if (!stay && bar.top <= 0) scrollTo({ top: scrollY + host.getBoundingClientRect().top - bar.height, behavior: "instant" });
    reset();
  }
  search.addEventListener("input", () => fill());
  which.addEventListener("change", () => fill());
  sort.addEventListener("change", () => { by = sort.value; down = !!sorts[by].n; fill(); });
  const plain = h("button", { class: "button", type: "button", "aria-pressed": "true", click: () => { const on = host.classList.toggle("plain"); plain.setAttribute("aria-pressed", String(!on)); } }, "Heat maps");
  find("atlas-controls").append(h("label", { for: "atlas-search" }, "Search"), search, h("label", { for: "atlas-which" }, unseen("Show ")), which, h("label", { for: "atlas-sort" }, "by"), sort, plain, count);
  find("ahead").append(...heads, h("div", { role: "columnheader", class: "h-tops" }, "Labels, share of activation"), h("div", { role: "columnheader", class: "h-pics" }, "Strongest images"));

  // ---- keys: the rows are one stop of the tab order; arrows walk them
  function focusRow(i) {
    const old = live.get(focused);
    if (old) old.tabIndex = -1;
    focused = i;
    const bar = find("toolbar").getBoundingClientRect().height, top = body.getBoundingClientRect().top + i * height;
    if (top < bar) scrollBy({ top: top - bar, behavior: "instant" });
    else if (top + height > innerHeight) scrollBy({ top: top + height - innerHeight, behavior: "instant" });
    render();
    const row = live.get(i);
    row.tabIndex = 0;
    row.focus({ preventScroll: true });
  }
  body.addEventListener("keydown", (event) => {
    const row = event.target.closest(".arow");
    if (!row || shown.length === 0) return;
    const i = Number(row.dataset.index), page = Math.max(1, Math.floor(innerHeight / height) - 2);
    const go = { ArrowDown: i + 1, ArrowUp: i - 1, PageDown: i + page, PageUp: i - page, Home: 0, End: shown.length - 1 }[event.key];
    if (go !== undefined) { event.preventDefault(); focusRow(Math.max(0, Math.min(shown.length - 1, go))); }
    else if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(row); }
  });
  body.addEventListener("focusin", (event) => { const row = event.target.closest(".arow"); if (row) focused = Number(row.dataset.index); });
  body.addEventListener("click", (event) => { const row = event.target.closest(".arow"); if (row) { focused = Number(row.dataset.index); row.tabIndex = 0; row.focus({ preventScroll: true }); open(row); } });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName) && !box.open) { event.preventDefault(); search.focus(); search.select(); }
    else if (event.key === "Escape" && document.activeElement === search && search.value !== "") { event.preventDefault(); search.value = ""; fill(); }
  });

  function open(row) {
    const i = Number(row.dataset.index), l = all[shown[i]];
    const facts = [["Active on", `${plural(l[2], "image")}, ${rate(l[3])}`], ["Mean when active", brief(l[4])], ["Peak", brief(l[5])], ["Label entropy, top images", fixed(l[6], 2)], ["Label entropy, all", fixed(l[7], 2)], ["Class tokens, share active", l[8] === null ? "–" : rate(l[8])], ["Patches, share active", l[9] === null ? "–" : rate(l[9])]];
    const step = (to) => h("button", { class: "button", type: "button", disabled: to < 0 || to >= shown.length, click: () => { focusLater(to); } }, to < i ? "Previous" : "Next");
    openDialog(row, ["Latent ", String(l[0]), l[1] ? [" ", nameOf(l[1])] : null], nameNote(l[1]),
      h("div", { class: "two" }, h("table", {}, h("caption", { class: "unseen" }, "Statistics"), h("tbody", {}, facts.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "n" }, value))))), h("div", {}, shares(l[10]))),
      h("h3", {}, "Strongest images, and the patches where"), sheet(l[11]), h("p", { class: "controls" }, step(i - 1), step(i + 1)));
  }
  // The row behind the dialog moves along, so that focus comes back to it.
  function focusLater(i) {
    focused = i;
    const top = body.getBoundingClientRect().top + i * height;
    scrollBy({ top: top - innerHeight / 2, behavior: "instant" });
    render();
    back = live.get(i);
    back.tabIndex = 0;
    open(back);
  }

  measure();
  fill(true);
  // Milliseconds from the page's opening to here.
  document.documentElement.dataset.ready = Math.round(performance.now());
})();
