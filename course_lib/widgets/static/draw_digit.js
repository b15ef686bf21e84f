// The drawing view: a digit by hand, what the network sees of it, every layer's maps, the answer.
// cnn.js, grid.js and network.js stand in front of this file.

const [SHEET, SIDE, BOX, MIDDLE] = [56, 28, 20, 14]; // as in centring.py and draw_digit.py
const PEN = 2.2; // radius of the pen, in pixels of the sheet
const PEN_STEP = 2; // what an arrow key moves it
const MAPS_A_ROW = 8;
const LONGEST_ROW = 49; // numbers of a vector in one row: one map of 7 × 7
const PEN_KEYS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const CENTRED = "28 \u00d7 28: scaled to 20, centre of mass in the middle";
const HELP = "Draw with mouse or finger. By keys: arrows move the pen, space paints a dot, shift "
  + "and an arrow draws a line, Delete clears. Red and blue: above and below 0; each layer has its "
  + "own scale, which stands beside its name.";

// ---- a drawing, made as MNIST's digits were made: centring.py ---------------------------------

// The nearest whole number, halves up, also where rounding errors made a half a bit less.
function rounded(value) {
  return Math.floor(value + 0.5 + 1e-9);
}

// Scale the rows: each new one is the mean of the area it covers. image: an array of rows.
function byArea(image, rows) {
  const [H, W] = [image.length, image[0].length];
  return Array.from({ length: rows }, (_, o) => {
    const mean = new Float64Array(W);
    for (let i = Math.floor((o * H) / rows); i * rows < (o + 1) * H; i += 1) {
      const covered = Math.min((o + 1) * H, (i + 1) * rows) - Math.max(o * H, i * rows);
      for (let j = 0; j < W; j += 1) mean[j] += (image[i][j] * covered) / H;
    }
    return mean;
  });
}

function transpose(image) {
  return Array.from(image[0], (_, j) => image.map((row) => row[j]));
}

// Where the digit begins on one axis, so that its centre of mass comes to the middle.
function placed(ink) {
  const total = ink.reduce((sum, value) => sum + value, 0);
  const centre = ink.reduce((sum, value, k) => sum + value * k, 0) / total;
  return Math.max(0, Math.min(SIDE - ink.length, MIDDLE - rounded(centre)));
}

// Rows (H, W) -> a flat image of 28 × 28; no ink gives zeros.
export function centreDigit(image) {
  const seen = new Float64Array(SIDE * SIDE);
  const inked = (lines) => lines.flatMap((line, k) => (line.some((value) => value > 0) ? k : []));
  const [rows, columns] = [inked(image), inked(transpose(image))];
  if (rows.length === 0) return seen;
  const cut = image.slice(rows[0], rows.at(-1) + 1)
    .map((row) => row.slice(columns[0], columns.at(-1) + 1));
  const longer = Math.max(cut.length, cut[0].length);
  const [H, W] = [cut.length, cut[0].length].map((n) => Math.max(1, rounded((n * BOX) / longer)));
  const digit = transpose(byArea(transpose(byArea(cut, H)), W));
  const sums = (lines) => lines.map((line) => line.reduce((sum, value) => sum + value, 0));
  const [top, left] = [placed(sums(digit)), placed(sums(transpose(digit)))];
  digit.forEach((row, i) => row.forEach((value, j) => {
    seen[(top + i) * SIDE + left + j] = value;
  }));
  return seen;
}

// The 28 × 28 numbers from 0 to 1 that the network gets of a sheet of 56 × 56 bytes.
export function seenImage(sheet, centring) {
  const rows = Array.from({ length: SHEET }, (_, i) =>
    Array.from(sheet.subarray(i * SHEET, (i + 1) * SHEET)));
  const half = (lines) => transpose(byArea(lines, SIDE));
  const seen = centring ? centreDigit(rows) : Float64Array.from(half(half(rows)).flatMap((row) =>
    Array.from(row)));
  return seen.map((value) => value / 255);
}

// ---- words ------------------------------------------------------------------------------------

function percentOf(p) {
  if (p < 0.005) return "<1 %";
  return p >= 0.995 ? ">99 %" : `${Math.floor(100 * p + 0.5)} %`;
}

// One decimal, but 0 and 100 short: "97.1", "0", "100".
function percentNumber(p) {
  return (100 * p).toFixed(1).replace(/^(0|100)\.0$/, "$1");
}

function sentence(probabilities, isEmpty) {
  const order = Array.from(probabilities, (_, k) => k)
    .sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = order;
  const read = `I read ${first === 8 ? "an" : "a"} ${first} (${percentOf(probabilities[first])}), `
    + `then ${second} (${percentOf(probabilities[second])}).`;
  return isEmpty ? `Nothing is drawn yet, and still: ${read}` : read;
}

function pixelWords(map, sign) {
  const place = map.reduce((best, value, k) => (value * sign > map[best] * sign ? k : best), 0);
  return `row ${Math.floor(place / SIDE)}, column ${place % SIDE}`;
}

function saliencySentence(map, k) {
  if (map.every((value) => value === 0)) return `No pixel changes the score of ${k} now.`;
  return `Red: more ink there raises the score of ${k}, most at ${pixelWords(map, 1)}; `
    + `blue: it lowers the score, most at ${pixelWords(map, -1)}.`;
}

// ---- pictures of numbers ----------------------------------------------------------------------

// A colour as one number, as the memory of a canvas holds it; 0 is a gap: the paper shows.
const packed = ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
const table = (scale) =>
  Uint32Array.from({ length: 256 }, (_, k) => packed(colourAt(scale, k / 255)));
const [GREY_INKS, SIGNED_INKS] = [table(GREY), table(RED_BLUE)];

function drawPixels(canvas, [rows, columns], inkAt) {
  if (canvas.width !== columns || canvas.height !== rows) {
    Object.assign(canvas, { width: columns, height: rows });
  }
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, rows);
  const inks = new Uint32Array(picture.data.buffer);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      inks[row * columns + column] = inkAt(row, column);
    }
  }
  context.putImageData(picture, 0, 0);
}

// A function value -> ink: grey from 0, or red and blue around 0 where a value is negative.
function inksFor(values) {
  let [low, high] = [0, 0];
  values.forEach((value) => { low = Math.min(low, value); high = Math.max(high, value); });
  const top = Math.max(high, -low) || 1;
  const grey = (value) => GREY_INKS[Math.round((255 * value) / top)];
  const signed = (value) => SIGNED_INKS[Math.round(127.5 * (value / top + 1))];
  return { low, high, inkOf: low < 0 ? signed : grey };
}

// All maps (C, H, W) of a layer, eight in a row; a vector is wrapped.
function drawMaps(canvas, values, shape) {
  const [C, H, W] = shape.length === 3 ? shape
    : [Math.ceil(shape[0] / LONGEST_ROW), 1, Math.min(shape[0], LONGEST_ROW)];
  const [gap, across] = shape.length === 3 ? [1, Math.min(C, MAPS_A_ROW)] : [0, 1];
  const down = Math.ceil(C / across);
  const { low, high, inkOf } = inksFor(values);
  drawPixels(canvas, [down * (H + gap) - gap, across * (W + gap) - gap], (row, column) => {
    const i = row % (H + gap);
    const j = column % (W + gap);
    const c = Math.floor(row / (H + gap)) * across + Math.floor(column / (W + gap));
    const place = (c * H + i) * W + j;
    return i < H && j < W && place < values.length ? inkOf(values[place]) : 0;
  });
  canvas.style.width = shape.length === 3 ? `${(100 * across) / MAPS_A_ROW}%` : "min(100%, 12rem)";
  return [low, high];
}

// The image that is seen, in grey; with a saliency map red and blue shine through.
function drawSeen(canvas, image, map) {
  const top = map ? map.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1 : 1;
  drawPixels(canvas, [SIDE, SIDE], (i, j) => {
    const k = i * SIDE + j;
    const grey = Math.round(255 * image[k]);
    if (!map) return GREY_INKS[grey];
    const share = Math.abs(map[k]) / top;
    const ink = colourAt(RED_BLUE, map[k] < 0 ? 0.1 : 0.9);
    return packed(ink.map((part) => Math.round(part * share + grey * (1 - share))));
  });
}

// ---- the pen ----------------------------------------------------------------------------------

class Pen {
  constructor(model) {
    Object.assign(this, { model, at: [SHEET / 2, SHEET / 2], from: null, isRubber: false });
    this.canvas = element("canvas", { class: "cnn-digit-sheet", tabindex: 0, role: "application",
      "aria-label": "Your drawing. Arrow keys move the pen, space paints, shift and an arrow draws",
      width: SHEET, height: SHEET, "data-prevent-swipe": true }); // a stroke turns no slide
    this.cursor = element("div", { class: "cnn-digit-cursor", "aria-hidden": "true" });
    this.where = element("p", { class: "cnn-digit-where", "aria-live": "polite" });
    this.node = element("div", { class: "cnn-digit-part" }, [
      element("div", { class: "cnn-title", text: "Your drawing" }),
      element("div", { class: "cnn-digit-frame" }, [this.canvas, this.cursor]), this.where]);
    this.read();
    this.listenToPointer();
    this.listenToKeys();
  }

  read() {
    this.sheet = bytesOf(this.model.get("drawing"));
    drawPixels(this.canvas, [SHEET, SHEET], (i, j) => GREY_INKS[this.sheet[i * SHEET + j]]);
    this.drawCursor();
  }

  get isEmpty() {
    return this.sheet.every((ink) => ink === 0);
  }

  // A line with round ends from one point (row, column) to another; its edge is half ink.
  paint([i0, j0], [i1, j1]) {
    const [down, across] = [i1 - i0, j1 - j0];
    const length = down * down + across * across || 1;
    const sheet = this.sheet.slice();
    sheet.forEach((ink, k) => {
      const [i, j] = [Math.floor(k / SHEET) + 0.5 - i0, (k % SHEET) + 0.5 - j0];
      const along = Math.max(0, Math.min(1, (i * down + j * across) / length));
      const far = Math.hypot(i - along * down, j - along * across);
      const fresh = Math.round(255 * Math.max(0, Math.min(1, PEN + 0.5 - far)));
      sheet[k] = this.isRubber ? Math.min(ink, 255 - fresh) : Math.max(ink, fresh);
    });
    this.put(sheet);
  }

  put(sheet) {
    this.model.set("drawing", textOfBytes(sheet));
    this.model.save_changes();
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return [((event.clientY - box.top) / box.height) * SHEET,
      ((event.clientX - box.left) / box.width) * SHEET];
  }

  listenToPointer() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.from = this.placeOf(event);
      this.paint(this.from, this.from);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.from === null) return;
      const to = this.placeOf(event);
      this.paint(this.from, to);
      this.from = to;
    });
    ["pointerup", "pointercancel", "lostpointercapture"].forEach((name) =>
      canvas.addEventListener(name, () => { this.from = null; }));
  }

  listenToKeys() {
    this.canvas.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const by = PEN_KEYS[event.key];
      if (by) this.moveBy(by, event.shiftKey);
      else if (event.key === " ") this.dot();
      else if (event.key === "Home") this.moveTo([SHEET / 2, SHEET / 2]);
      else if (event.key === "Delete" || event.key === "Backspace") this.clear();
      else return;
      event.preventDefault();
    });
  }

  moveBy([down, across], isDrawing) {
    const [row, column] = this.at;
    const inside = (place) => Math.max(1, Math.min(SHEET - 1, place));
    const to = [inside(row + PEN_STEP * down), inside(column + PEN_STEP * across)];
    if (isDrawing) this.paint(this.at, to);
    this.moveTo(to);
  }

  dot() {
    this.paint(this.at, this.at);
    this.moveTo(this.at);
  }

  moveTo(at) {
    this.at = at;
    this.drawCursor();
    const [row, column] = at.map((place) => Math.floor(place / PEN_STEP));
    const ink = this.sheet[Math.floor(at[0]) * SHEET + Math.floor(at[1])] > 127;
    this.where.textContent = `Pen at row ${row}, column ${column}${ink ? ", on ink" : ""}`;
  }

  drawCursor() {
    const [top, left] = this.at.map((place) => `${(100 * place) / SHEET}%`);
    Object.assign(this.cursor.style, { top, left });
  }

  clear() {
    this.put(new Uint8Array(SHEET * SHEET));
  }
}

// ---- the answer and the layers ----------------------------------------------------------------

class Bars {
  constructor(count) {
    this.parts = Array.from({ length: count }, (_, k) => {
      const number = element("span", { class: "cnn-digit-number" });
      const bar = element("div", { class: "cnn-digit-bar" });
      const name = element("span", { class: "cnn-digit-name", text: String(k) });
      return { number, bar, item: element("li", {}, [number, bar, name]) };
    });
    const list = element("ol", { class: "cnn-digit-bars", "aria-label": "Probabilities" },
      this.parts.map(({ item }) => item));
    this.node = element("div", { class: "cnn-digit-part cnn-digit-answer" },
      [element("div", { class: "cnn-title", text: "Probabilities in %, rounded" }), list]);
  }

  draw(probabilities) {
    const top = probabilities.indexOf(Math.max(...probabilities));
    this.parts.forEach(({ number, bar, item }, k) => {
      number.textContent = percentNumber(probabilities[k]);
      bar.style.setProperty("--share", probabilities[k].toFixed(4));
      item.classList.toggle("cnn-digit-top", k === top);
    });
  }
}

class LayerMaps {
  constructor({ layers }) {
    this.parts = layers.map(({ name, shape }) => {
      const canvas = element("canvas", { class: "cnn-digit-maps", role: "img" });
      const says = element("span", { class: "cnn-digit-range" });
      const title = `${name.replace(/\(.*/, "")} \u2192 ${shape.join("\u00d7")}`;
      const head = element("div", { class: "cnn-digit-title", title: name, text: title }, [says]);
      const node = element("div", { class: "cnn-digit-layer" }, [head, canvas]);
      return { canvas, says, node, shape, name };
    });
    this.node = element("div", { class: "cnn-digit-layers" }, this.parts.map(({ node }) => node));
  }

  draw(values) {
    this.parts.forEach(({ canvas, says, shape, name }, k) => {
      const range = drawMaps(canvas, values[k + 1], shape).map((v) => formatNumber(v, 2));
      says.textContent = `, ${range[0]} to ${range[1]}`;
      const what = shape.length === 3 ? `${shape[0]} maps` : `${shape[0]} numbers`;
      canvas.setAttribute("aria-label", `${what} after ${name}${says.textContent}`);
    });
  }
}

// ---- the view ---------------------------------------------------------------------------------

function exampleText({ number, label, answer }) {
  const truth = `no. ${number}: ${label}`;
  return label === answer ? `${truth} \u2713` : `${truth} \u2717 read as ${answer}`;
}

// Every pixel of an example four times: 28 × 28 bytes as text -> 56 × 56.
function enlarged(text) {
  const bytes = bytesOf(text);
  return Uint8Array.from({ length: SHEET * SHEET }, (_, k) =>
    bytes[(Math.floor(k / SHEET) >> 1) * SIDE + ((k % SHEET) >> 1)]);
}

class Panel {
  constructor(model, pen) {
    Object.assign(this, { model, pen, examples: model.get("examples"), shown: null });
    this.sheets = this.examples.map(({ image }) => textOfBytes(enlarged(image)));
    const set = (name) => (value) => { model.set(name, value); model.save_changes(); };
    const clear = button("Clear", "Clear the drawing", () => pen.clear());
    this.rubber = new Switch("rubber", (isOn) => { pen.isRubber = isOn; });
    this.example = new Choice("Test digit", (k) => this.load(k));
    this.centring = new Switch("centre and scale as MNIST is", set("centring"));
    this.saliency = new Choice("Saliency", set("saliency"));
    this.keys = new Fold("Keys", [element("p", { class: "cnn-help", text: HELP })]);
    this.node = element("div", { class: "cnn-controls" }, [clear, this.rubber.node,
      this.example.node, this.saliency.node, this.keys.button]);
    this.second = element("div", { class: "cnn-controls cnn-second" }, [this.centring.node]);
  }

  load(k) {
    if (k === null) return;
    this.model.set("centring", true);
    this.pen.put(enlarged(this.examples[k].image));
  }

  draw(count) {
    const current = this.sheets.indexOf(this.model.get("drawing"));
    const shown = JSON.stringify([current, this.model.get("saliency")]);
    this.centring.draw(this.model.get("centring"));
    if (shown === this.shown) return; // while a line is drawn, the lists stay
    this.shown = shown;
    this.example.node.hidden = this.examples.length === 0;
    this.example.draw([...(current < 0 ? [[null, "choose one"]] : []),
      ...this.examples.map((one, k) => [k, exampleText(one)])], current < 0 ? null : current);
    const digits = Array.from({ length: count }, (_, k) => [k, `of ${k}`]);
    this.saliency.draw([[null, "off"], ["answer", "of the answer"], ...digits],
      this.model.get("saliency"));
  }
}

function build(model) {
  const network = openNetwork(model.get("network"));
  const pen = new Pen(model);
  const parts = { network, pen, panel: new Panel(model, pen), maps: new LayerMaps(network),
    bars: new Bars(sizeOfShape(network.layers.at(-1).shape)) };
  parts.seen = element("canvas", { class: "cnn-digit-seen", role: "img" });
  parts.how = element("p", { class: "cnn-digit-where" });
  parts.says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  parts.more = element("p", { class: "cnn-digit-more", "aria-live": "polite" });
  const seen = element("div", { class: "cnn-digit-part" },
    [element("div", { class: "cnn-title", text: "What it sees" }), parts.seen, parts.how]);
  const stage = element("div", { class: "cnn-digit-stage" }, [pen.node, seen, parts.bars.node]);
  const answer = element("div", { class: "cnn-digit-left" },
    [stage, parts.says, parts.more, parts.panel.second]);
  parts.node = element("div", { class: "cnn-body" }, [parts.panel.node, parts.panel.keys.panel,
    element("div", { class: "cnn-digit-both" }, [answer, parts.maps.node])]);
  return parts;
}

function drawReading(model, { network, pen, panel, maps, bars, seen, how, says, more }) {
  pen.read();
  const image = seenImage(pen.sheet, model.get("centring"));
  const values = runNetwork(network, image);
  const probabilities = Array.from(softmax(values.at(-1)));
  const top = probabilities.indexOf(Math.max(...probabilities));
  const wanted = model.get("saliency");
  const k = wanted === "answer" ? top : wanted;
  const map = k === null ? null : saliency(network, values, k);
  drawSeen(seen, image, map);
  seen.setAttribute("aria-label", `The ${SIDE} by ${SIDE} image that the network gets`);
  how.textContent = model.get("centring") ? CENTRED : "28 \u00d7 28: your drawing made smaller";
  maps.draw(values);
  bars.draw(probabilities);
  panel.draw(probabilities.length);
  says.textContent = sentence(probabilities, pen.isEmpty);
  more.textContent = map ? saliencySentence(map, k) : "";
  more.hidden = !map;
}

function render({ model, el }) {
  const root = element("div", { class: "cnn-widget" });
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);
  let parts = null;
  const draw = () => drawReading(model, parts);
  const rebuild = () => {
    parts = build(model);
    root.replaceChildren(parts.node);
    draw();
  };
  rebuild();
  const stops = [onTraits(model, ["drawing", "centring", "saliency"], draw),
    onTraits(model, ["network", "examples"], rebuild)];
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

export default { render };
