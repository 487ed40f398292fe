// The report of an adaptation. Sections are drawn from the data in the order of the page; what lies far down is drawn
// when it comes near.

const latentAt = new Map(data.latents.map((latent, i) => [latent[0], i]));
const known = (latent) => (latentAt.has(latent) ? data.latents[latentAt.get(latent)] : null);
const link = (latent) => { const entry = known(latent); return latentLink(latent, entry && entry[1]); };
const className = (i) => text(data.classes[i][0]);
const [base, adapted] = [data.base, data.adapted];
const key = (side) => h("span", { class: side === 0 ? "k-base" : "k-adapted" }, said(side === 0 ? base : adapted));

// Draws again where the width changes.
function responsive(host, draw) {
  let last = 0;
  new ResizeObserver(() => { const width = host.clientWidth; if (width && width !== last) { last = width; draw(width); } }).observe(host);
}
function near(element, draw) {
  const observer = new IntersectionObserver((entries) => { if (entries.some((e) => e.isIntersecting)) { observer.disconnect(); draw(); } }, { rootMargin: "800px" });
  observer.observe(element);
}

// ---------------------------------------------------------------- accuracy

(() => {
  const host = find("accuracy-figure"), a = data.accuracy;
  responsive(host, (width) => {
    const left = Math.min(110, width * 0.24), right = 26, x = (v) => left + v * (width - left - right), rows = [34, 84], bottom = 118;
    const svg = s("svg", { width, height: 140, viewBox: `0 0 ${width} 140`, "aria-hidden": "true" });
    for (let i = 0; i <= (width < 420 ? 2 : 4); i++) {
      const v = i / (width < 420 ? 2 : 4);
      svg.append(s("line", { class: "grid", x1: x(v), x2: x(v), y1: 12, y2: bottom }), s("text", { x: x(v), y: bottom + 16, "text-anchor": "middle" }, percent(v, 0)));
    }
    const faint = Math.max(0.12, Math.min(0.5, 12 / data.classes.length));
    for (const c of data.classes) {
      const gains = c[3] >= c[2];
      svg.append(s("line", { class: gains ? "c-adapted" : "c-base", x1: x(c[2]), x2: x(c[3]), y1: rows[0] + 8, y2: rows[1] - 8, "stroke-opacity": faint }));
    }
    [[a.base, a.baseInterval, 0, base], [a.adapted, a.adaptedInterval, 1, adapted]].forEach(([value, interval, i, name]) => {
      const tone = i === 0 ? "c-base" : "c-adapted";
      for (const c of data.classes) svg.append(s("line", { class: tone, x1: x(c[2 + i]), x2: x(c[2 + i]), y1: rows[i] - 7, y2: rows[i] + 7, "stroke-opacity": Math.max(faint, 0.3) }));
      if (interval) svg.append(s("line", { class: tone, x1: x(interval[0]), x2: x(interval[1]), y1: rows[i], y2: rows[i], "stroke-width": 3 }));
      svg.append(s("circle", { class: tone, cx: x(value), cy: rows[i], r: 5.5 }), s("text", { class: tone, x: 0, y: rows[i] + 4, "font-weight": 600 }, cut(name, left - 8)));
      const anchor = value > 0.82 ? "end" : value < 0.1 ? "start" : "middle";
      svg.append(s("text", { class: "strong", x: x(value), y: rows[i] + (i === 0 ? -14 : 24), "text-anchor": anchor }, percent(value)));
    });
    host.replaceChildren(svg);
  });
})();

// As many characters as fit in so many pixels of an SVG's text.
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = "12.5px " + getComputedStyle(document.querySelector("nav")).fontFamily;
function cut(words, width) {
  if (ruler.measureText(words).width <= width) return words;
  const all = [...words];
  let low = 0, high = all.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ruler.measureText(all.slice(0, middle).join("") + "…").width <= width) low = middle;
    else high = middle - 1;
  }
  return all.slice(0, low).join("") + "…";
}

// ---------------------------------------------------------------- controls and shares: a bar, an interval, an axis of their own

function whisker(value, interval, low, high, tone) {
  const width = 150, x = (v) => 4 + ((Math.min(Math.max(v, low), high) - low) / (high - low)) * (width - 8);
  const svg = s("svg", { width, height: 16, viewBox: `0 0 ${width} 16`, "aria-hidden": "true" }, s("line", { class: "grid", x1: 4, x2: width - 4, y1: 8, y2: 8 }));
  if (low < 0) svg.append(s("line", { class: "axis", x1: x(0), x2: x(0), y1: 1, y2: 15 }));
  if (interval) svg.append(s("line", { class: tone, x1: x(interval[0]), x2: x(interval[1]), y1: 8, y2: 8, "stroke-width": 2.5 }));
  svg.append(s("circle", { class: tone, cx: x(value), cy: 8, r: 4 }));
  return svg;
}

(() => {
  const host = find("figures");
  if (!host || data.figures.length === 0) return;
  const ends = data.figures.flatMap((f) => [f[1], ...(f[2] || [])]), low = Math.max(0, Math.min(...ends) - 0.01), high = Math.min(1, Math.max(...ends) + 0.01);
  const { table } = sortable(data.figures, [
    { title: "What", first: true, cell: (f) => text(f[0]) },
    { title: "Overlap", n: true, cell: (f) => percent(f[1]) },
    { title: h("span", { class: "unseen" }, "drawn"), cell: (f) => whisker(f[1], f[2], low, high, /^finding/.test(text(f[0])) ? "c-adapted" : "c-faint") },
    { title: "95 %", n: true, cell: (f) => within(f[2], (v) => fixed(v * 100, 1)) },
    { title: "Cosine", n: true, cell: (f) => fixed(f[3], 3) },
    { title: "Re-assigned", n: true, cell: (f) => fixed(f[4], 1) },
    { title: "New", n: true, cell: (f) => fixed(f[5], 1) },
    { title: "Left", n: true, cell: (f) => fixed(f[6], 1) },
  ], `Each class's top ${data.k} latents in both views, beside the controls; means over classes`, { captioned: true });
  host.append(scroller(table, "Overlap and controls"));

  const groups = data.figures[0][7], controls = data.figures.slice(1).filter((f) => f[7].length);
  if (groups.length === 0) return;
  const other = (control, name) => { const g = control[7].find((g) => g[0] === name); return g ? `${fixed(g[1], 2)}, ${fixed(g[2], 2)}` : "–"; };
  const more = sortable(groups, [
    { title: "Group", first: true, cell: (g) => text(g[0]) },
    { title: "Latents a class", n: true, cell: (g) => fixed(g[1], 2) },
    { title: "Correlation", n: true, cell: (g) => fixed(g[2], 2) },
    { title: h("span", { class: "unseen" }, "drawn"), cell: (g) => (g[2] === null ? "" : whisker(g[2], g[3], -1, 1, "c-adapted")) },
    { title: "95 %", n: true, cell: (g) => within(g[3], (v) => fixed(v, 2)) },
    ...controls.map((control) => ({ title: text(control[0]), n: true, cell: (g) => other(control, g[0]) })),
  ], "The groups' sizes, and their correlation over classes with the change of accuracy (controls: size, correlation)", { captioned: true });
  host.append(h("h3", {}, "Groups of latents by class"), scroller(more.table, "Groups"));
})();

(() => {
  const host = find("overlap-figure");
  if (!host) return;
  const p = data.overlap, low = Math.log(p[0][0]), high = Math.log(p[p.length - 1][0]);
  responsive(host, (width) => {
    const height = 230, left = 40, right = Math.min(128, width * 0.32), top = 12, bottom = height - 30;
    const x = (k) => left + (high > low ? (Math.log(k) - low) / (high - low) : 0.5) * (width - left - right), y = (v) => bottom - v * (bottom - top);
    const svg = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Overlap of the first k latents: " + p.map((o) => `k ${o[0]}: ${percent(o[1])}, by chance ${percent(o[2])}`).join("; ") });
    for (const v of [0, 0.5, 1]) svg.append(s("line", { class: "grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }), s("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, percent(v, 0)));
    let last = -99;
    for (const o of p) if (x(o[0]) - last > 26) { last = x(o[0]); svg.append(s("text", { x: last, y: bottom + 18, "text-anchor": "middle" }, o[0])); }
    const ends = [];
    [["c-faint", 2, "by chance"], ["c-ink", 3, "random directions"], ["c-faint", 4, "same images"], ["c-adapted", 1, "both views"]].forEach(([tone, at, name]) => {
      const known = p.filter((o) => o[at] !== null);
      if (known.length === 0) return;
      svg.append(s("path", { class: tone + " line", style: at > 2 ? { "stroke-dasharray": "4 3" } : {}, d: known.map((o, i) => (i ? "L" : "M") + x(o[0]) + " " + y(o[at])).join("") }));
      ends.push([y(known[known.length - 1][at]), tone, name]);
    });
    ends.sort((a, b) => a[0] - b[0]).forEach((end, i) => {
      if (i) end[0] = Math.max(end[0], ends[i - 1][0] + 14);
      svg.append(s("text", { class: end[1], x: width - right + 8, y: end[0] + 4 }, cut(end[2], right - 8)));
    });
    host.replaceChildren(svg);
  });
})();

(() => {
  const host = find("explained");
  if (!host) return;
  const ends = data.explained.flatMap((e) => [0, 1, e[3] || 0, ...(e[4] || [])]), low = Math.min(...ends), high = Math.max(...ends);
  const { table } = sortable(data.explained, [
    { title: "Set back to base", first: true, cell: (e) => text(e[0]) },
    { title: "Latents a class", n: true, cell: (e) => (e[1] === null ? "–" : whole(e[1])) },
    { title: "Accuracy left", n: true, cell: (e) => percent(e[2]) },
    { title: "Of the gain", n: true, cell: (e) => percent(e[3]) },
    { title: h("span", { class: "unseen" }, "drawn"), cell: (e) => (e[3] === null ? "" : whisker(e[3], e[4], low, high, /random/.test(text(e[0])) ? "c-faint" : "c-adapted")) },
    { title: "95 %", n: true, cell: (e) => within(e[4], (v) => fixed(v * 100, 1)) },
  ], "Latents of the class set back to their base values, and the share of the gain of accuracy that is lost with them", { captioned: true });
  host.append(scroller(table, "What the gain rests on"));
})();

// ---------------------------------------------------------------- classes

(() => {
  const host = find("classes-table");
  let wanted = "";
  const dumbbell = (c) => {
    const x = (v) => 5 + v * 66;
    return s("svg", { width: 76, height: 14, viewBox: "0 0 76 14", "aria-hidden": "true" }, s("line", { class: "grid", x1: 5, x2: 71, y1: 7, y2: 7 }),
      s("line", { class: c[3] >= c[2] ? "c-adapted" : "c-base", x1: x(c[2]), x2: x(c[3]), y1: 7, y2: 7, "stroke-width": 2 }),
      s("circle", { class: "c-base", cx: x(c[2]), cy: 7, r: 3.2 }), s("circle", { class: "c-adapted", cx: x(c[3]), cy: 7, r: 3.2 }));
  };
  const change = (c) => c[3] - c[2];
  const rank = (r, none) => (r > 0 ? r : none);
  const count = h("span", { role: "status", class: "dim" });
  const { table, fill } = sortable(data.classes, [
    { title: "Class", first: true, wrap: true, value: (c) => text(c[0]).toLowerCase(), cell: (c) => said(text(c[0])) },
    { title: "Images", n: true, value: (c) => c[1], cell: (c) => whole(c[1]) },
    { title: "Base", hint: "Accuracy in the base view", n: true, value: (c) => c[2], cell: (c) => percent(c[2]) },
    { title: h("span", { class: "unseen" }, "drawn"), cell: dumbbell },
    { title: "Adapted", hint: "Accuracy in the adapted view", n: true, value: (c) => c[3], cell: (c) => percent(c[3]) },
    { title: "Change", hint: "Percentage points, and 95 %", n: true, value: change, cell: (c) => [h("span", { class: change(c) > 0 ? "up" : change(c) < 0 ? "down" : "dim" }, points(change(c))), c[4] ? h("span", { class: "under" }, within(c[4], (v) => (v > 0 ? "+" : "") + fixed(v * 100, 0))) : null] },
    { title: "Overlap", hint: `Share of the top ${data.k} that both views have`, n: true, value: (c) => c[5], cell: (c) => [percent(c[5], 0), h("span", { class: "under", title: "Cosine of the counts of all latents in both views" }, "cos ", fixed(c[6], 3))] },
    { title: "Kept", n: true, value: (c) => c[7], cell: (c) => c[7] },
    { title: "Re-assigned", n: true, value: (c) => c[8], cell: (c) => c[8] },
    { title: "New", n: true, value: (c) => c[9], cell: (c) => c[9] },
    { title: "Left", n: true, value: (c) => c[10], cell: (c) => c[10] },
    { title: "Groups", hint: "Latents that stay high / stay low / rise / fall", n: true, cell: (c) => h("span", { title: "stay high / stay low / rise / fall" }, c[11].join("\u200a/\u200a")) },
    { title: "Moved most: latent, rank", wide: true, cell: (c) => c[12].slice(0, 2).map(([latent, from, to], i) => [i ? " · " : "", link(latent), " ", h("span", { class: "dim whole" }, `${rank(from, "new")}\u2009→\u2009${rank(to, "gone")}`)]) },
  ], "Classes: accuracy in both views, and the latents each stands on", { by: 5, keep: (c) => text(c[0]).toLowerCase().includes(wanted), filled: (n) => (count.textContent = plural(n, "class", "classes")) });
  const search = h("input", { type: "search", id: "class-search", placeholder: "part of a name", autocomplete: "off", input: () => { wanted = search.value.trim().toLowerCase(); fill(); } });
  if (data.classes.length > 12) host.append(h("div", { class: "controls" }, h("label", { for: "class-search" }, "Classes with"), search, count));
  host.append(scroller(table, "Classes", data.classes.length > 18));
})();

// ---------------------------------------------------------------- flow
// A latent that joined a class is one move into it, from the classes that it left, in equal shares; one that left a class and
// joined none is a move out of it.

const special = { spread: "kept elsewhere too", fresh: "served no class", narrowed: "kept elsewhere", gone: "serves no class" };
const flows = new Map();
function addFlow(from, to, weight, latent) {
  const id = from + ">" + to;
  if (!flows.has(id)) flows.set(id, { from, to, weight: 0, latents: [] });
  const flow = flows.get(id);
  flow.weight += weight;
  flow.latents.push(latent);
}
for (const [latent, , left, joined, before, after] of data.latents) {
  for (const to of joined) {
    if (left.length) for (const from of left) addFlow(from, to, 1 / left.length, latent);
    else addFlow(before > 0 ? "spread" : "fresh", to, 1, latent);
  }
  if (joined.length === 0) for (const from of left) addFlow(from, after > 0 ? "narrowed" : "gone", 1, latent);
}
const allFlows = [...flows.values()].sort((a, b) => b.weight - a.weight);

(() => {
  const host = find("flow-figure"), list = find("flow-list"), told = find("flow-said");
  if (!host) return;
  let chosen = -1;
  const nodeName = (n) => (typeof n === "number" ? className(n) : n === "other" ? "other classes" : special[n]);
  const input = h("input", { type: "search", id: "flow-class", list: "flow-classes", placeholder: "all classes", autocomplete: "off", input: () => {
    const at = input.value === "" ? -1 : data.classes.findIndex((c) => text(c[0]) === input.value);
    if (input.value === "" || at >= 0) choose(at);
  } });
  const all = h("button", { class: "button", type: "button", click: () => { input.value = ""; choose(-1); } }, "All classes");
  find("flow-controls").append(h("label", { for: "flow-class" }, "Class"), input, h("datalist", { id: "flow-classes" }, data.classes.map((c) => h("option", { value: text(c[0]) }))), all);

  // The largest nodes of a side keep their names, the others are one.
  function side(links, end, most) {
    const totals = new Map();
    for (const l of links) totals.set(l[end], (totals.get(l[end]) || 0) + l.weight);
    const named = [...totals.keys()].filter((n) => typeof n === "number").sort((a, b) => totals.get(b) - totals.get(a) || a - b);
    return new Set(named.length <= most + 1 ? named : named.slice(0, most));
  }
  const fold = (n, keep) => (typeof n !== "number" || keep.has(n) ? n : "other");
  function merge(links, from, to) {
    const out = new Map();
    for (const l of links) {
      const a = fold(l.from, from), b = fold(l.to, to), id = a + ">" + b;
      if (!out.has(id)) out.set(id, { from: a, to: b, weight: 0, latents: new Set() });
      const o = out.get(id);
      o.weight += l.weight;
      l.latents.forEach((x) => o.latents.add(x));
    }
    return [...out.values()];
  }
  const order = (n) => (n === "other" ? 1 : typeof n === "number" ? 0 : 2);
  const size = (w) => (Math.abs(w - Math.round(w)) < 0.05 ? whole(w) : fixed(w, 1));

  function draw(width) {
    const most = 13;
    let stages;
    if (chosen < 0) {
      const into = side(allFlows.filter((l) => typeof l.to === "number"), "to", most), from = side(allFlows.filter((l) => typeof l.from === "number"), "from", most);
      const merged = merge(allFlows, from, into);
      // What neither side names is told in words: as a ribbon it would hide the others.
      stages = [merged.filter((l) => !((l.from === "other" || typeof l.from !== "number") && (l.to === "other" || typeof l.to !== "number")))];
    } else {
      const into = allFlows.filter((l) => l.to === chosen && l.from !== chosen), out = outOf(chosen);
      stages = [merge(into, side(into, "from", 20), new Set([chosen])), merge(out, new Set([chosen]), side(out, "to", 20))];
    }
    const columns = stages.length + 1, total = (c) => {
      const sums = new Map();
      if (c > 0) for (const l of stages[c - 1]) sums.set(l.to, (sums.get(l.to) || 0) + l.weight);
      if (c < stages.length) {
        const outs = new Map();
        for (const l of stages[c]) outs.set(l.from, (outs.get(l.from) || 0) + l.weight);
        for (const [n, w] of outs) sums.set(n, Math.max(sums.get(n) || 0, w));
      }
      return sums;
    };
    const sums = Array.from({ length: columns }, (_, c) => total(c));
    if (chosen >= 0 && sums[1].size === 0) sums[1].set(chosen, 0);
    const largest = Math.max(1e-9, ...sums.map((m) => [...m.values()].reduce((a, b) => a + b, 0)));
    const slot = 19, scale = Math.min(14, 330 / largest);
    // The left side by size; the others where what comes in comes from, so that fewer ribbons cross.
    const seat = new Map();
    const nodes = sums.map((m, c) => {
      let y = 26;
      const placed = new Map(), centre = new Map();
      if (c > 0) for (const n of m.keys()) {
        const own = stages[c - 1].filter((l) => l.to === n && order(l.from) === 0), weight = own.reduce((sum, l) => sum + l.weight, 0);
        centre.set(n, weight ? own.reduce((sum, l) => sum + l.weight * (seat.get(c - 1 + ":" + l.from) || 0), 0) / weight : 0);
      }
      [...m.keys()].sort((a, b) => order(a) - order(b) || (columns === 2 && c > 0 ? centre.get(a) - centre.get(b) : 0) || m.get(b) - m.get(a) || (a < b ? -1 : 1)).forEach((n, i) => {
        seat.set(c + ":" + n, i);
        const height = Math.max(2, m.get(n) * scale), room = Math.max(slot, height + 5);
        placed.set(n, { y: y + (room - height) / 2, height, weight: m.get(n), in: 0, out: 0 });
        y += room;
      });
      return { placed, end: y };
    });
    const height = Math.max(...nodes.map((c) => c.end)) + 8;
    for (const c of nodes) for (const p of c.placed.values()) p.y += (height - 8 - c.end) / 2 > 0 && chosen >= 0 ? (height - 8 - c.end) / 2 : 0;
    const narrow = width < 520, label = Math.min(190, width * (columns === 3 ? 0.31 : 0.38)), bar = 7;
    const xs = columns === 2 ? [label, width - label - bar] : [label, width / 2 - bar / 2, width - label - bar];
    const svg = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Flow of latents between classes; the same follows as a list" });
    const heads = columns === 2 ? [["left", xs[0] + bar, "end"], ["joined", xs[1], "start"]] : [["joined, from", xs[0] + bar, "end"], ["", xs[1], "middle"], ["left, to", xs[2], "start"]];
    heads.forEach(([words, x, anchor], c) => svg.append(s("text", { class: (c === 0) === (columns === 2) ? "c-base" : "c-adapted", x, y: 13, "text-anchor": anchor, "font-weight": 600 }, words)));
    stages.forEach((links, c) => {
      const y = (l) => nodes[c].placed.get(l.from).y + nodes[c + 1].placed.get(l.to).y * 1e-3;
      links.slice().sort((a, b) => y(a) - y(b)).forEach((l) => {
        const a = nodes[c].placed.get(l.from), thick = l.weight * scale;
        l.y0 = a.y + a.out;
        a.out += thick;
      });
      const y2 = (l) => nodes[c + 1].placed.get(l.to).y + nodes[c].placed.get(l.from).y * 1e-3;
      links.slice().sort((a, b) => y2(a) - y2(b)).forEach((l) => {
        const b = nodes[c + 1].placed.get(l.to), thick = Math.max(0.75, l.weight * scale), x0 = xs[c] + bar, x1 = xs[c + 1], mid = (x0 + x1) / 2, y1 = b.y + b.in;
        b.in += l.weight * scale;
        const path = `M${x0} ${l.y0}C${mid} ${l.y0} ${mid} ${y1} ${x1} ${y1}V${y1 + thick}C${mid} ${y1 + thick} ${mid} ${l.y0 + thick} ${x0} ${l.y0 + thick}Z`;
        svg.append(s("path", { class: "ribbon" + (columns === 2 && (order(l.from) > 0 || order(l.to) > 0) ? " rest" : "") + (columns === 3 ? (c === 0 ? " own-adapted" : " own-base") : ""), "data-from": l.from, "data-to": l.to, d: path }, s("title", {}, `${nodeName(l.from)} → ${nodeName(l.to)}: ${size(l.weight)} (latents ${[...l.latents].slice(0, 12).join(", ")}${[...l.latents].length > 12 ? ", …" : ""})`)));
      });
    });
    nodes.forEach((column, c) => {
      for (const [n, p] of column.placed) {
        const middle = columns === 3 && c === 1, right = c === columns - 1, can = typeof n === "number" && !middle;
        const count = size(p.weight), room = middle ? 200 : label - (narrow ? 8 : 44);
        const g = s("g", { class: "node" + (typeof n === "number" ? "" : " special"), ...(can ? { role: "button", tabindex: "0", "aria-label": `${nodeName(n)}, ${count} latents; show its flow`, click: () => { input.value = className(n); choose(n); }, keydown: (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); input.value = className(n); choose(n, true); } } } : {}) },
          s("title", {}, `${nodeName(n)}: ${count}`), s("rect", { x: xs[c], y: p.y, width: bar, height: p.height }),
          s("text", { x: middle ? xs[c] + bar / 2 : right ? xs[c] + bar + 7 : xs[c] - 7, y: middle ? 13 : p.y + p.height / 2 + 4, "text-anchor": middle ? "middle" : right ? "start" : "end", class: typeof n === "number" ? "strong" : null },
            right || middle ? [cut(nodeName(n), room), s("tspan", { fill: "currentColor", opacity: 0.6 }, middle || narrow ? "" : "  " + count)] : [s("tspan", { fill: "currentColor", opacity: 0.6 }, narrow ? "" : count + "  "), cut(nodeName(n), room)]));
        const light = () => { svg.classList.add("some"); svg.querySelectorAll(".ribbon").forEach((r) => r.classList.toggle("lit", r.dataset[c === 0 ? "from" : "to"] === String(n))); };
        const unlight = () => { svg.classList.remove("some"); svg.querySelectorAll(".lit").forEach((r) => r.classList.remove("lit")); };
        if (!middle) for (const [on, off] of [["mouseenter", "mouseleave"], ["focus", "blur"]]) { g.addEventListener(on, light); g.addEventListener(off, unlight); }
        svg.append(g);
      }
    });
    host.replaceChildren(svg);
  }

  // A latent that left this class went to the classes it joined, in equal shares.
  function outOf(c) {
    const out = new Map();
    for (const [latent, , left, joined, , after] of data.latents) {
      if (!left.includes(c)) continue;
      for (const to of joined.length ? joined : [after > 0 ? "narrowed" : "gone"]) {
        if (!out.has(to)) out.set(to, { from: c, to, weight: 0, latents: [] });
        const o = out.get(to);
        o.weight += 1 / Math.max(1, joined.length);
        o.latents.push(latent);
      }
    }
    return [...out.values()].sort((a, b) => b.weight - a.weight);
  }

  const few = (classes) => [classes.slice(0, 6).map((c, i) => [i ? ", " : "", said(className(c))]), classes.length > 6 ? ` and ${classes.length - 6} more` : ""];
  function tell() {
    const total = allFlows.reduce((sum, l) => sum + l.weight, 0);
    if (chosen < 0) {
      const named = allFlows.filter((l) => typeof l.from === "number" && typeof l.to === "number");
      const between = named.reduce((sum, l) => sum + l.weight, 0);
      told.textContent = `${plural(total, "move")} in all, ${whole(between)} of them from one class to another; the largest are drawn. Choose a class to see all of its own.`;
      const { table } = sortable(allFlows.slice(0, 200), [
        { title: "Left", first: true, value: (l) => nodeName(l.from), cell: (l) => said(nodeName(l.from)) },
        { title: "Joined", value: (l) => nodeName(l.to), cell: (l) => said(nodeName(l.to)) },
        { title: "Moves", n: true, value: (l) => l.weight, cell: (l) => size(l.weight) },
        { title: "Latents", cell: (l) => l.latents.slice(0, 6).map((x, i) => [i ? ", " : "", link(x)]).concat(l.latents.length > 6 ? [` and ${l.latents.length - 6} more`] : []) },
      ], "The largest flows", { by: 2 });
      list.replaceChildren(h("details", {}, h("summary", { class: "small" }, `The ${plural(Math.min(200, allFlows.length), "largest flow", "largest flows")} as a table`), scroller(table, "Largest flows", true)));
      return;
    }
    const came = data.latents.filter((l) => l[3].includes(chosen)), went = data.latents.filter((l) => l[2].includes(chosen)), c = data.classes[chosen];
    told.replaceChildren(said(className(chosen)), `: ${plural(came.length, "latent")} joined its first ${data.k} (orange), ${whole(went.length)} left (blue), ${c[7]} stayed. Accuracy ${percent(c[2])} → ${percent(c[3])}.`);
    const item = (l, others, none) => h("li", {}, link(l[0]), h("span", { class: "dim" }, others.length ? [none[0], few(others)] : none[1]));
    list.replaceChildren(h("div", { class: "two" },
      h("div", {}, h("h3", {}, "Joined"), h("ul", { class: "plainlist" }, came.map((l) => item(l, l[2], [" from ", l[4] > 0 ? ` served ${plural(l[4], "class", "classes")}, serves ${l[5]}` : " served no class before"])))),
      h("div", {}, h("h3", {}, "Left"), h("ul", { class: "plainlist" }, went.map((l) => item(l, l[3], [" to ", l[5] > 0 ? ` still serves ${plural(l[5], "class", "classes")}` : " serves no class now"]))))));
  }
  let width = 0;
  function choose(c, focus) {
    chosen = c;
    if (width) draw(width);
    tell();
    if (focus) input.focus();
  }
  responsive(host, (w) => { width = w; draw(w); });
  tell();
})();

// ---------------------------------------------------------------- latents

const sides = (entry) => [entry[7], entry[8]];
function figuresTable(entry) {
  const [b, a] = sides(entry);
  const row = (name, get, show) => h("tr", {}, h("th", { scope: "row" }, name), [b, a].map((f) => h("td", { class: "n" }, f ? show(get(f)) : "–")));
  return h("table", {}, h("caption", { class: "unseen" }, `Statistics of latent ${entry[0]}`), h("thead", {}, h("tr", {}, h("th", { scope: "col" }, unseen("statistic")), h("th", { scope: "col", class: "n" }, key(0)), h("th", { scope: "col", class: "n" }, key(1)))),
    h("tbody", {}, row("Active on images", (f) => f[1], rate), row("Mean when active", (f) => f[2], brief), row("Peak", (f) => f[3], brief), row("Label entropy, top images", (f) => f[4], (v) => fixed(v, 2)), row("Label entropy, all", (f) => f[5], (v) => fixed(v, 2))));
}
function movesText(entry, most) {
  const [, , left, joined, before, after, cosine] = entry;
  const names = (classes) => [classes.slice(0, most).map((c, i) => [i ? ", " : "", said(className(c))]), classes.length > most ? ` and ${classes.length - most} more` : ""];
  if (before + after === 0) return h("p", { class: "moves" }, `Among no class's first ${data.k}.`);
  return h("p", { class: "moves" }, `Served ${plural(before, "class", "classes")}, serves ${whole(after)}${cosine === null ? "" : `; cosine of its counts ${fixed(cosine, 3)}`}. `,
    left.length ? [h("span", { class: "k-base" }, "Left "), names(left), ". "] : null, joined.length ? [h("span", { class: "k-adapted" }, "Joined "), names(joined), "."] : null);
}
function strips(entry, most, titled) {
  return sides(entry).map((f, side) => f && h("div", { class: "strip" }, titled ? h("h3", {}, "In ", key(side)) : h("p", {}, key(side)), f[7].length ? sheet(f[7].slice(0, most)) : h("p", { class: "note" }, "Active on no image."), titled && f[6].length ? [h("p", { class: "note caption" }, "Labels, share of its activation"), shares(f[6])] : null));
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-latent]");
  if (!button) return;
  const latent = Number(button.dataset.latent), entry = known(latent);
  const title = ["Latent ", String(latent), entry && entry[1] ? [" ", nameOf(entry[1])] : null];
  if (!entry || !(entry[7] || entry[8])) {
    openDialog(button, title, entry && entry[1] ? nameNote(entry[1]) : null, entry ? movesText(entry, 1e9) : null, h("p", { class: "note" }, "Its images are not on this page; ", h("code", {}, `saectl sheet ${latent} -o sheet.png`), " draws them."));
    return;
  }
  openDialog(button, title, nameNote(entry[1]), movesText(entry, 1e9), figuresTable(entry), strips(entry, 1e9, true));
});

(() => {
  const list = find("latent-cards");
  if (!list) return;
  const cards = data.latents.filter((l) => sides(l).some((f) => f && f[7].length));
  const items = cards.map((entry) => {
    const li = h("li", { "data-card": entry[0] }, h("h3", {}, h("button", { class: "latent", type: "button", "data-latent": entry[0] }, `Latent ${entry[0]}`), entry[1] ? ["  ", nameOf(entry[1])] : null));
    near(li, () => li.append(h("div", { class: "card" }, h("div", {}, figuresTable(entry), movesText(entry, 8)), h("div", {}, strips(entry, 6)))));
    return li;
  });
  const shift = (l) => (l[7] && l[8] ? l[8][1] - l[7][1] : 0);
  const orders = { given: null, number: (a, b) => a[0] - b[0], rises: (a, b) => shift(b) - shift(a), falls: (a, b) => shift(a) - shift(b), name: (a, b) => (a[1] ? text(a[1][0]) : "\uffff").localeCompare(b[1] ? text(b[1][0]) : "\uffff") };
  const count = h("span", { role: "status", class: "dim" });
  const search = h("input", { type: "search", id: "latent-search", placeholder: "number, word or class", autocomplete: "off" });
  const sort = h("select", { id: "latent-sort" }, [["given", "moved most"], ["rises", "frequency rises most"], ["falls", "frequency falls most"], ["name", "name"], ["number", "number"]].map(([v, words]) => h("option", { value: v }, words)));
  const matches = (l, wanted) => wanted === "" || String(l[0]) === wanted || (l[1] && text(l[1][0]).toLowerCase().includes(wanted)) || [...l[2], ...l[3]].some((c) => className(c).toLowerCase().includes(wanted));
  const fill = () => {
    const wanted = search.value.trim().toLowerCase(), pairs = cards.map((l, i) => [l, items[i]]).filter(([l]) => matches(l, wanted));
    // A number that was asked for stands first.
    pairs.sort((a, b) => (String(b[0][0]) === wanted) - (String(a[0][0]) === wanted));
    if (orders[sort.value]) pairs.sort((a, b) => orders[sort.value](a[0], b[0]));
    list.replaceChildren(...pairs.map((p) => p[1]));
    count.textContent = plural(pairs.length, "latent");
  };
  search.addEventListener("input", fill);
  sort.addEventListener("change", fill);
  const plain = h("button", { class: "button", type: "button", "aria-pressed": "true", click: () => { const on = list.classList.toggle("plain"); plain.setAttribute("aria-pressed", String(!on)); } }, "Heat maps");
  find("latent-controls").append(h("label", { for: "latent-search" }, "Latents with"), search, h("label", { for: "latent-sort" }, "by"), sort, plain, count);
  fill();
})();

// ---------------------------------------------------------------- images whose answer changed

(() => {
  const list = find("changed-list");
  if (!list) return;
  let kind = "all", most = 48;
  const is = { all: () => true, right: (c) => !c[5] && c[6], wrong: (c) => c[5] && !c[6], other: (c) => c[5] === c[6] };
  const words = { all: "All", right: "Became right", wrong: "Became wrong", other: "Other" };
  const buttons = Object.keys(is).map((k) => h("button", { class: "button", type: "button", "aria-pressed": String(k === kind), click: () => { kind = k; most = 48; fill(); } }, `${words[k]} ${whole(data.changed.filter(is[k]).length)}`));
  const search = h("input", { type: "search", id: "changed-search", placeholder: "path, label or answer", autocomplete: "off", input: () => { most = 48; fill(); } });
  const count = h("span", { role: "status", class: "dim" });
  const more = h("button", { class: "button", type: "button", click: () => { const first = most; most += 96; fill(); const next = list.children[first]; if (next) { next.tabIndex = -1; next.focus(); } } }, "Show more");
  const inViewer = new Map(data.viewer.map((v, i) => [v.path, i]));
  const answer = (name, p, right, side) => h("span", {}, h("span", { class: "mark " + (right ? "up" : "down"), "aria-hidden": "true" }, right ? "✓ " : "✗ "), h("span", { class: side ? "k-adapted" : "k-base" }, said(text(name))), " ", percent(p, 0), unseen(right ? " (right)" : " (wrong)"));
  const item = (c) => {
    const [path, label] = data.images[c[0]], at = inViewer.get(path);
    return h("li", {}, tile(c[0], undefined, text(path)), answer(c[1], c[3], c[5], 0), h("br"), unseen("became "), answer(c[2], c[4], c[6], 1),
      h("span", { class: "path" }, label < 0 ? null : ["label ", said(text(label)), ", "], said(text(path).split("/").pop()), at === undefined ? null : [" · ", h("a", { href: "#patches", click: () => showImage(at) }, "patches")]));
  };
  const fill = () => {
    const wanted = search.value.trim().toLowerCase();
    const all = data.changed.filter((c) => is[kind](c) && (wanted === "" || [data.images[c[0]][0], data.images[c[0]][1], c[1], c[2]].some((t) => t >= 0 && text(t).toLowerCase().includes(wanted))));
    list.replaceChildren(...all.slice(0, most).map(item));
    more.hidden = all.length <= most;
    count.textContent = all.length > most ? `${whole(most)} of ${plural(all.length, "image")}` : plural(all.length, "image");
    buttons.forEach((b, i) => b.setAttribute("aria-pressed", String(Object.keys(is)[i] === kind)));
  };
  find("changed-controls").append(h("span", { class: "group", role: "group", "aria-label": "Which images" }, buttons), h("label", { for: "changed-search" }, "with"), search, count);
  list.after(more);
  fill();
})();
let showImage = () => {};
