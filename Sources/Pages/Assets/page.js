// What both pages share: reading the data, making elements, pictures with heat maps, sortable tables, a latent's dialog.
// Every text from the data becomes a text node or an attribute, never markup. Styles are set through properties: the
// page's policy allows no style attributes.

const data = JSON.parse(document.getElementById("data").textContent);
const shelf = document.getElementById("pictures").textContent;
const text = (i) => data.strings[i];

function make(space, tag, props, kids) {
  const e = space ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "style") for (const [name, v] of Object.entries(value)) e.style.setProperty(name, v);
    else if (typeof value === "function") e.addEventListener(key, value);
    else e.setAttribute(key, value === true ? "" : value);
  }
  for (const kid of kids.flat(Infinity)) if (kid !== null && kid !== undefined && kid !== false) e.append(kid);
  return e;
}
const h = (tag, props, ...kids) => make(false, tag, props, kids);
const s = (tag, props, ...kids) => make(true, tag, props, kids);
// Someone else's words: of any direction.
const said = (words, props) => (words === "" ? h("span", { class: "dim" }, "(empty)") : h("bdi", props, words));
const unseen = (words) => h("span", { class: "unseen" }, words);
const find = (id) => document.getElementById(id);

// ---------------------------------------------------------------- numbers

const thin = "\u202f";
const minus = (words) => words.replace("-", "\u2212");
function fixed(x, digits) {
  if (x === null || x === undefined) return "–";
  const words = x.toFixed(digits);
  return Number(words) === 0 ? words.replace("-", "") : minus(words);
}
const percent = (x, digits = 1) => (x === null || x === undefined ? "–" : fixed(x * 100, digits) + thin + "%");
const points = (x) => (x === null ? "–" : (x > 0 ? "+" : "") + fixed(x * 100, 1));
const whole = (x) => String(Math.round(x)).replace(/\B(?=(\d{3})+$)/g, thin);
function brief(x) {
  if (x === null || x === undefined) return "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  return size >= 1000 ? minus(whole(x)) : size >= 100 ? fixed(x, 0) : size >= 10 ? fixed(x, 1) : size >= 0.1 ? fixed(x, 2) : size >= 0.0005 ? fixed(x, 3) : minus(x.toExponential(1));
}
// A share of images: rare latents are told apart.
const rate = (x) => percent(x, x !== null && x < 0.0995 ? (x < 0.00095 ? 3 : x < 0.00995 ? 2 : 1) : 0);
const within = (i, show) => (i ? "[" + show(i[0]) + ", " + show(i[1]) + "]" : "–");
const plural = (n, one, many) => whole(n) + " " + (n === 1 ? one : many || one + "s");

// ---------------------------------------------------------------- pictures

const kinds = ["image/webp", "image/jpeg", "image/png"];
function source(picture) {
  const [offset, length, kind] = data.pictures[picture];
  return "data:" + kinds[kind] + ";base64," + shelf.substr(offset, length);
}

// Dark violet, red, orange, light yellow: lightness rises evenly, so that it reads in grey too.
const stops = [[40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
const colours = Array.from({ length: 33 }, (_, level) => {
  const place = (level / 32) * (stops.length - 1), i = Math.min(Math.floor(place), stops.length - 2), t = place - i;
  return [0, 1, 2].map((c) => stops[i][c] + (stops[i + 1][c] - stops[i][c]) * t).concat(Math.min(level / 12, 1) * 0.68 * 255);
});
const codes = new Uint8Array(128);
[..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].forEach((c, i) => (codes[c.charCodeAt(0)] = i));

// Levels 0 to 32 of each patch, row by row.
function levels(grid) {
  const out = new Uint8Array(data.rows * data.columns);
  let at = 0;
  for (let i = 0; i < grid.length; i++) {
    const code = codes[grid.charCodeAt(i)];
    if (code < 32) out[at++] = code + 1;
    else at += code - 31;
  }
  return out;
}

// One pixel a patch; the browser interpolates. colour(i) gives red, green, blue, opacity.
function paint(canvas, colour) {
  canvas.width = data.columns;
  canvas.height = data.rows;
  const context = canvas.getContext("2d"), pixels = context.createImageData(data.columns, data.rows);
  for (let i = 0; i < data.rows * data.columns; i++) pixels.data.set(colour(i), i * 4);
  context.putImageData(pixels, 0, 0);
  return canvas;
}
function heat(canvas, grid) {
  const of = levels(grid);
  return paint(canvas, (i) => colours[of[i]]);
}

// What the model sees of an image, with a latent's patches over it where a grid is given.
function tile(image, grid, alt) {
  const [path, , picture] = data.images[image];
  const box = h("div", { class: grid === undefined ? "tile" : "tile heated", title: text(path) });
  if (picture < 0) {
    box.style.aspectRatio = "1";
    box.append(h("span", { class: "gone" }, "file is gone"));
    return box;
  }
  const [, , , width, height, x, y, w, hh] = data.pictures[picture];
  box.style.aspectRatio = w + " / " + hh;
  const img = h("img", { alt: alt === undefined ? text(path) : alt, decoding: "async" });
  Object.assign(img.style, { left: (-x / w) * 100 + "%", top: (-y / hh) * 100 + "%", width: (width / w) * 100 + "%", height: (height / hh) * 100 + "%" });
  img.src = source(picture);
  box.append(img);
  if (grid !== undefined) box.append(heat(h("canvas", { "aria-hidden": "true" }), grid));
  return box;
}

// A sheet: [image, mean, peak, grid] each.
function sheet(entries) {
  return h("ol", { class: "sheet" }, entries.map(([image, mean, peak, grid], i) => {
    const [path, label] = data.images[image];
    const name = text(path).split("/").pop();
    return h("li", {}, h("figure", {}, tile(image, grid, name + ", rank " + (i + 1)),
      h("figcaption", { title: text(path) }, said(label < 0 ? name : text(label)), " ", h("span", { class: "num" }, brief(peak)), unseen(" peak, mean " + brief(mean)))));
  }));
}

// ---------------------------------------------------------------- names, links

// [word, sure, score, reason] or nothing.
function nameOf(name, absent) {
  if (!name) return absent ? h("span", { class: "dim" }, absent) : null;
  if (name[1]) return said(text(name[0]), { class: "name" });
  const word = text(name[0]);
  return h("span", { class: "name unsure", title: "unsure: " + text(name[3]) }, word === "" ? "no word" : [said(word), "\u202f?"], unseen(" (unsure)"));
}
function latentLink(latent, name) {
  return h("button", { class: "latent", type: "button", "data-latent": latent }, unseen("latent "), h("span", { class: "number" }, latent), name ? [" ", nameOf(name)] : null);
}

// ---------------------------------------------------------------- a table that sorts

// columns: {title, hint, value (for sorting), cell (content), n (numbers, to the right), wrap, first (the row's header)}.
function sortable(rows, columns, caption, options = {}) {
  let by = options.by === undefined ? -1 : options.by, down = true;
  const head = columns.map((column, i) => {
    const button = column.value && h("button", { type: "button", click: () => { down = by === i ? !down : !!column.n; by = i; fill(); } }, column.title);
    return h("th", { scope: "col", class: column.n ? "n" : null, title: column.hint, "aria-sort": column.value ? "none" : null }, button || column.title);
  });
  const body = h("tbody");
  const fill = () => {
    const shown = options.keep ? rows.filter(options.keep) : rows.slice();
    if (by >= 0) {
      const value = columns[by].value;
      shown.sort((a, b) => {
        const x = value(a), y = value(b);
        if (x === y) return 0;
        if (x === null) return 1;
        if (y === null) return -1;
        return (x < y ? -1 : 1) * (down ? -1 : 1);
      });
    }
    head.forEach((th, i) => columns[i].value && th.setAttribute("aria-sort", i === by ? (down ? "descending" : "ascending") : "none"));
    body.replaceChildren(...shown.map((row) => h("tr", {}, columns.map((column) =>
      h(column.first ? "th" : "td", { scope: column.first ? "row" : null, class: column.n ? "n" : column.wrap ? "wrap" : column.wide ? "wide" : null }, column.cell(row))))));
    if (options.filled) options.filled(shown.length);
  };
  const table = h("table", {}, h("caption", { class: options.captioned ? null : "unseen" }, caption), h("thead", {}, h("tr", {}, head)), body);
  fill();
  return { table, fill };
}
// Scrolls of its own: reachable by keyboard.
const scroller = (table, label, tall) => h("div", { class: tall ? "scroll tall" : "scroll", tabindex: "0", role: "region", "aria-label": label }, table);

// ---------------------------------------------------------------- a latent, large

const box = h("dialog", { "aria-labelledby": "latent-title" });
document.body.append(box);
box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
let back = null;
box.addEventListener("close", () => { if (back && back.isConnected) back.focus(); back = null; box.replaceChildren(); });

function openDialog(from, title, ...content) {
  if (!box.open) back = from;
  box.replaceChildren(h("button", { class: "close button", type: "button", click: () => box.close() }, "Close"), h("h2", { id: "latent-title", tabindex: "-1" }, title), ...content.flat(Infinity).filter((x) => x));
  if (!box.open) box.showModal();
  box.scrollTop = 0;
  find("latent-title").focus();
}
function nameNote(name) {
  if (!name) return h("p", { class: "note" }, "It was never named.");
  return h("p", { class: "note" }, name[1] ? "A sure name" : ["Unsure: ", said(text(name[3]))], ", score " + brief(name[2]) + ".");
}
// [images active, frequency, mean, peak, entropy top, entropy, labels, sheet]
function shares(labels) {
  if (labels.length === 0) return null;
  return h("div", { class: "shares" }, labels.map(([label, share]) => [said(text(label)), h("span", { class: "bar", "aria-hidden": "true" }, h("i", { style: { width: Math.min(share, 1) * 100 + "%" } })), h("span", { class: "num" }, percent(share))]));
}

// ---------------------------------------------------------------- theme

(() => {
  const root = document.documentElement, button = find("theme");
  if (!button) return;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const show = () => (button.textContent = isDark() ? "Light" : "Dark");
  button.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; show(); document.dispatchEvent(new Event("theme")); });
  button.hidden = false;
  show();
})();
