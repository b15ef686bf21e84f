// The sliding-kernel view: image, kernel and output grids, one window and its sum; channels and
// filters as sheets, a turned kernel, predictions, a drawn image. cnn.js, grid.js and KERNELS
// (course_lib's ready-made kernels) stand in front of this file.

const MOST_TERMS = 25; // a longer sum is not written out
const SHOWN_EXACTLY = 0.005; // as in sliding_kernel.py: a prediction this near is right
const SHAPING = ["image", "kernel", "bias", "stride", "padding", "flipped"];
const BEGINNING = { bias: null, flipped: false, filter: 0, channel: 0, seed: 0 };
const HELP = "Point at an output cell or tap it. With keys: click the output, then use the arrow "
  + "keys; Home and End go to the first and the last cell, space plays. Kernel cells can be "
  + "edited: numbers, or fractions such as 1/9.";
const PREDICT_HELP = "Tap an output cell, or click the output and use the arrow keys; type its "
  + "number, press Enter; once it is right, Enter goes to the next cell. You may try as often as "
  + "you like; the first tries are counted.";
const DRAW_HELP = "Draw in the image by tapping or dragging. With keys: arrows move, space paints "
  + "or erases, a digit sets the pixel to that number.";

// ---- the layer: image, kernel and bias as conv2d wants them -----------------------------------

function depthOf(array) {
  return Array.isArray(array) ? 1 + depthOf(array[0]) : 0;
}

function nested(array, depth) {
  return depthOf(array) < depth ? nested([array], depth) : array;
}

// The filter in view: x (C, H, W), kernel as drawn (C, KH, KW), weight as used, bias a number or
// null; f of `filters` filters and c of `channels` channels; windows.
export function layerOf(model) {
  const [x, kernel] = [nested(model.get("image"), 3), model.get("kernel")];
  const all = nested(depthOf(kernel) === 2 ? x.map(() => kernel) : kernel, 4);
  const f = Math.min(model.get("filter") ?? 0, all.length - 1);
  const c = Math.min(model.get("channel") ?? 0, x.length - 1);
  const bias = model.get("bias") ?? null;
  const [stride, padding] = [model.get("stride"), model.get("padding")];
  return {
    x, f, c, filters: all.length, channels: x.length, kernel: all[f],
    weight: model.get("flipped") ? all[f].map(turn) : all[f],
    bias: Array.isArray(bias) ? bias[f] : bias,
    windows: resolveWindows(sizeOf(x[0]), sizeOf(all[0][0]), stride, padding),
  };
}

// Not so between two changes of one update.
function isWhole({ kernel, channels, bias, windows }) {
  return kernel.length === channels && bias !== undefined
    && windows.output.every((size) => size >= 1);
}

export function outputOf({ x, weight, bias, windows: { stride, padding } }) {
  return conv2d([x], [weight], bias === null ? null : [bias], stride, padding)[0][0];
}

// One output: the terms of each channel, their sums, and with the bias the total.
export function partsOf({ x, weight, bias, windows }, i, j) {
  const terms = x.map((channel, c) =>
    windowTerms(pad(channel, windows.padding), weight[c], i, j, windows));
  const sums = terms.map(sumOf);
  return { terms, sums, total: sums.reduce((sum, part) => sum + part, bias ?? 0) };
}

// The stack (any depth) with the sheet of filter f and channel c replaced.
function withSheet(stack, f, c, sheet) {
  const depth = depthOf(stack);
  if (depth === 2) return sheet;
  const path = depth === 3 ? c : f;
  return stack.map((part, k) => (k === path ? withSheet(part, f, c, sheet) : part));
}

function withCell(sheet, row, column, value) {
  return sheet.map((line, i) => line.map((old, j) => (i === row && j === column ? value : old)));
}

// ---- ready-made images and random kernels -----------------------------------------------------

// A function (row, column, H, W, ink) -> pixel for each name.
const IMAGES = {
  "vertical edge": (i, j, H, W, ink) => (j >= W / 2 ? ink : 0),
  square: (i, j, H, W, ink) => (i > 0 && j > 0 && i < H - 1 && j < W - 1 ? ink : 0),
  cross: (i, j, H, W, ink) => (i === Math.floor(H / 2) || j === Math.floor(W / 2) ? ink : 0),
  checker: (i, j, H, W, ink) => ((i + j) % 2 === 0 ? ink : 0),
  ramp: (i, j) => j,
};

function readyImage(name, [H, W], ink) {
  return Array.from({ length: H }, (_, i) =>
    Array.from({ length: W }, (__, j) => IMAGES[name](i, j, H, W, ink)));
}

// Whole numbers -2 to 2, the same for the same seed (Mulberry32).
export function randomKernel([rows, columns], seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * 5) - 2;
  };
  return Array.from({ length: rows }, () => Array.from({ length: columns }, next));
}

// ---- words ------------------------------------------------------------------------------------

function writtenOut(terms) {
  const factor = (value) => (value < 0 ? `(${fractionNumber(value)})` : fractionNumber(value));
  return terms.length > MOST_TERMS ? `the sum of ${terms.length} products`
    : terms.map(({ pixel, weight }) =>
      `${trimmedNumber(pixel)}\u00d7${factor(weight)}`).join(" + ");
}

function equalsSign(terms, ...results) {
  const shown = [...terms.map((term) => term.pixel), ...results].map((v) => [v, trimmedNumber(v)]);
  const all = [...shown, ...terms.map(({ weight }) => [weight, fractionNumber(weight)])];
  return all.every(([v, text]) => Math.abs(v - parseNumber(text)) < 1e-9) ? "=" : "\u2248";
}

// "Output (1, 2) = 3×(−1) + 0×2 + … = −3.", or with channels their sums.
function sentence(layer, [i, j], { terms, sums, total }, isHidden) {
  const { f, c, filters, channels, bias } = layer;
  const shown = (value) => (isHidden ? "?" : trimmedNumber(value));
  const where = `Output (${i}, ${j})${filters > 1 ? ` of filter ${f}` : ""}`;
  const written = writtenOut(terms[c]);
  if (channels === 1) {
    const more = bias === null ? "" : ` + ${trimmedNumber(bias)} (bias)`;
    const equals = equalsSign(terms[0], bias ?? 0, total);
    return `${where} = ${written}${more} ${equals} ${shown(total)}.`;
  }
  const parts = [...sums.map((sum, k) => `channel ${k}: ${shown(sum)}`),
    ...(bias === null ? [] : [`bias ${trimmedNumber(bias)}`]), `sum ${shown(total)}`];
  return `Channel ${c}: ${written} ${equalsSign(terms[c], sums[c])} ${shown(sums[c])}. `
    + `${where}: ${parts.join(", ")}.`;
}

// What exact numbers, rounded factors and rounded products add up to: [least, most].
function rangeOf({ terms, total }, bias) {
  const round = (value) => Number(value.toFixed(2));
  const add = (part) => terms.flat().reduce((sum, term) => sum + part(term), round(bias ?? 0));
  const sums = [total, add((term) => round(term.pixel) * round(term.weight)),
    add((term) => round(term.product))];
  return [Math.min(...sums), Math.max(...sums)];
}

// As _is_right in sliding_kernel.py.
export function isRight(parts, bias, typed) {
  const [least, most] = rangeOf(parts, bias);
  const margin = SHOWN_EXACTLY + 1e-9;
  return typed >= least - margin && typed <= most + margin;
}

// What is said of the last try; null was revealed.
function verdict(parts, bias, typed) {
  const { total } = parts;
  if (typed === null) return `Revealed: ${trimmedNumber(total)}.`;
  const off = Math.abs(typed - total);
  if (off < 1e-9) return `\u2713 Exactly right: ${trimmedNumber(total)}.`;
  if (off <= SHOWN_EXACTLY + 1e-9) return `\u2713 Right to two decimals: ${trimmedNumber(total)}.`;
  if (isRight(parts, bias, typed)) {
    return `\u2713 Right with rounded numbers; more exactly ${trimmedNumber(total)}.`;
  }
  const side = typed < total ? "small" : "large";
  return `Not yet: ${trimmedNumber(off)} too ${side}. Try again, or Reveal.`;
}

// ---- the sum, as boxes ------------------------------------------------------------------------

function box(above, below, isChosen = false) {
  return element("div", { class: isChosen ? "cnn-product cnn-chosen" : "cnn-product" }, [
    element("span", { class: "cnn-factors", text: above }),
    element("span", { class: "cnn-value", text: below }),
  ]);
}

// One box a cell of the window: pixel × weight = product.
function drawProducts(node, terms, columns, isHidden) {
  node.style.setProperty("--columns", columns);
  node.replaceChildren(...terms.map(({ pixel, weight, product }) =>
    box(`${trimmedNumber(pixel)} \u00d7 ${fractionNumber(weight)} =`,
      isHidden ? "?" : trimmedNumber(product))));
}

// "channel 0: 3 + channel 1: −2 + bias: 1 = sum: 2", the channel in view outlined.
function drawSums(node, { c, bias }, { sums, total }, isHidden) {
  const shown = (value) => (isHidden ? "?" : trimmedNumber(value));
  const boxes = sums.map((sum, k) => box(`channel ${k}`, shown(sum), k === c));
  if (bias !== null) boxes.push(box("bias", trimmedNumber(bias)));
  const signed = boxes.flatMap((one, k) =>
    (k === 0 ? [one] : [element("span", { class: "cnn-plus", text: "+" }), one]));
  node.replaceChildren(...signed, element("span", { class: "cnn-plus", text: "=" }),
    box("sum", shown(total)));
}

// ---- predictions ------------------------------------------------------------------------------

class Prediction {
  constructor(model, walk) {
    Object.assign(this, { model, walk });
    this.input = element("input", { class: "cnn-number cnn-typed", autocomplete: "off" });
    this.label = element("label", { class: "cnn-choice" }, ["", this.input]);
    this.check = button("Check", "Check", () => this.submit());
    this.reveal = button("Reveal", "Reveal this output", () => this.answer(null));
    this.count = element("span", { class: "cnn-score" });
    this.says = element("p", { class: "cnn-verdict", role: "status" });
    const told = element("div", { class: "cnn-told" }, [this.says, this.count]);
    this.node = element("div", { class: "cnn-predict" }, [element("div", { class: "cnn-controls" },
      [this.label, this.check, this.reveal, told])]);
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.submit();
    });
    this.shown = "";
  }

  get answers() {
    return this.model.get("answers") ?? [];
  }

  // All that was typed for this cell, in order; null where it was revealed.
  tries(f, i, j) {
    return this.answers.filter((one) => String(one.slice(0, 3)) === String([f, i, j]))
      .map((one) => one[3]);
  }

  isRight(f, i, j, typed) {
    const get = (name) => (name === "filter" ? f : this.model.get(name));
    const layer = layerOf({ get });
    return isRight(partsOf(layer, i, j), layer.bias, typed);
  }

  isKnown(f, i, j) {
    return this.tries(f, i, j).some((typed) => typed === null || this.isRight(f, i, j, typed));
  }

  isHidden(f, i, j) {
    return Boolean(this.model.get("predict")) && !this.isKnown(f, i, j);
  }

  get place() {
    return [layerOf(this.model).f, ...this.walk.position];
  }

  submit() {
    if (this.isKnown(...this.place)) {
      this.goOn();
      return;
    }
    const typed = parseNumber(this.input.value);
    this.input.setAttribute("aria-invalid", String(typed === null));
    if (typed !== null) this.answer(typed);
    else this.says.textContent = "Type a number, for instance \u22123, 1.5 or 2/3.";
  }

  answer(typed) {
    this.walk.set({ answers: [...this.answers, [...this.place, typed]], playing: false });
    this.input.focus();
    if (!this.isKnown(...this.place)) this.input.select(); // the next try replaces this one
  }

  // The next cell without an answer, in reading order, round the end.
  next() {
    const { f, windows: { output: [rows, columns] } } = layerOf(this.model);
    const [i, j] = this.walk.position;
    const cells = Array.from({ length: rows * columns }, (_, k) => {
      const at = (i * columns + j + 1 + k) % (rows * columns);
      return [Math.floor(at / columns), at % columns];
    });
    return cells.find(([row, column]) => this.isHidden(f, row, column)) ?? null;
  }

  goOn() {
    const next = this.next();
    if (next) this.walk.set({ position: next, playing: false });
    this.input.focus();
  }

  // A digit or a minus on the output grid begins the answer; Enter goes to the field.
  listenToKeys(grid) {
    grid.addEventListener("keydown", (event) => {
      if (!this.model.get("predict") || event.ctrlKey || event.metaKey || event.altKey) return;
      if (!/^([0-9.,-]|Enter)$/.test(event.key)) return;
      event.preventDefault();
      if (event.key !== "Enter" && !this.input.readOnly) this.input.value = event.key;
      this.input.focus();
    });
    grid.addEventListener("pointerover", (event) => { // the way to the field crosses other cells
      if (this.model.get("predict")) event.stopImmediatePropagation();
    });
  }

  draw({ bias }, parts) {
    this.node.hidden = !this.model.get("predict");
    if (this.node.hidden) return;
    const [f, i, j] = this.place;
    const last = this.tries(f, i, j).at(-1);
    const [isKnown, shown] = [this.isKnown(f, i, j), JSON.stringify([f, i, j, this.answers])];
    this.label.firstChild.textContent = `Your number for output (${i}, ${j}) `;
    this.input.readOnly = isKnown;
    if (shown !== this.shown) { // an answer that is being typed stays
      if (parseNumber(this.input.value) !== last) {
        this.input.value = (last ?? null) === null ? "" : trimmedNumber(last);
      }
      this.input.removeAttribute("aria-invalid");
      this.says.textContent = last === undefined ? "" : verdict(parts, bias, last);
    }
    this.shown = shown;
    const [isDone, label] = [isKnown && !this.next(), isKnown ? "Next cell" : "Check"];
    this.check.hidden = isDone;
    this.check.textContent = label;
    this.check.setAttribute("aria-label", label);
    this.reveal.hidden = isKnown;
    this.count.textContent = this.countText();
  }

  // As score() in sliding_kernel.py: the first try of each cell counts.
  countText() {
    const first = new Map();
    this.answers.filter((answer) => answer[3] !== null).forEach((answer) => {
      const place = String(answer.slice(0, 3));
      if (!first.has(place)) first.set(place, answer);
    });
    const right = [...first.values()].filter((answer) => this.isRight(...answer)).length;
    return first.size === 0 ? "" : `${right} of ${first.size} right at the first try`;
  }
}

// ---- drawing on the image ---------------------------------------------------------------------

class Brush {
  // `draw()` is called when the cursor has moved.
  constructor(model, image, set, draw) {
    Object.assign(this, { model, image, set, draw, cursor: [0, 0], stroke: null });
    const top = Math.max(...nested(model.get("image"), 3).flat(2));
    this.ink = top > 0 ? top : 1;
    this.field = element("input", { class: "cnn-number", autocomplete: "off",
      value: trimmedNumber(this.ink) });
    this.field.addEventListener("input", () => this.readInk());
    this.node = element("label", { class: "cnn-choice", text: "Paint with " }, [this.field]);
    this.listen();
  }

  readInk() {
    const ink = parseNumber(this.field.value);
    this.field.setAttribute("aria-invalid", String(ink === null));
    if (ink !== null) this.ink = ink;
  }

  get isOn() {
    return Boolean(this.model.get("drawing"));
  }

  get inner() {
    const { x, windows: { padding: [[top], [left]] } } = layerOf(this.model);
    return { row: top, column: left, rows: x[0].length, columns: x[0][0].length };
  }

  pixel([i, j]) {
    const { x, c } = layerOf(this.model);
    return x[c][i][j];
  }

  paint([i, j], value) {
    const { x, f, c } = layerOf(this.model);
    if (x[c][i][j] === value) return;
    const sheet = withCell(x[c], i, j, value);
    this.set({ image: withSheet(this.model.get("image"), f, c, sheet) });
  }

  // The pixel under the pointer, or null on padding and outside.
  pixelAt(event) {
    const root = this.image.body.getRootNode();
    const cell = root.elementFromPoint(event.clientX, event.clientY)?.closest(".cnn-cell");
    if (!cell || !this.image.body.contains(cell)) return null;
    const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    const { inner } = this;
    return contains(inner, row, column) ? [row - inner.row, column - inner.column] : null;
  }

  moveTo(cursor) {
    this.cursor = cursor;
    this.draw();
  }

  listen() {
    const { body } = this.image;
    body.addEventListener("pointerdown", (event) => {
      const pixel = this.isOn ? this.pixelAt(event) : null;
      if (!pixel) return;
      this.stroke = this.pixel(pixel) === this.ink ? 0 : this.ink; // a stroke paints or erases
      this.paint(pixel, this.stroke);
      this.moveTo(pixel);
    });
    body.addEventListener("pointermove", (event) => {
      if (event.buttons === 0) this.stroke = null;
      const pixel = this.stroke === null ? null : this.pixelAt(event);
      if (pixel) this.paint(pixel, this.stroke);
    });
    ["pointerup", "pointercancel"].forEach((name) =>
      body.addEventListener(name, () => { this.stroke = null; }));
    body.addEventListener("keydown", (event) => this.isOn && this.press(event));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [by, { rows, columns }] = [WALK_KEYS[event.key], this.inner];
    const [i, j] = this.cursor;
    if (by) this.moveTo(clampCell([i + by[0], j + by[1]], [rows, columns]));
    else if (event.key === " " || event.key === "Enter") {
      this.paint([i, j], this.pixel([i, j]) === this.ink ? 0 : this.ink);
    } else if (/^[0-9]$/.test(event.key)) this.paint([i, j], Number(event.key));
    else return;
    event.preventDefault();
  }

  // Make the image a grid for the keyboard, or a plain table again; marks the cursor.
  drawCursor() {
    const { image, isOn, inner } = this;
    this.node.hidden = !isOn;
    image.body.classList.toggle("cnn-canvas", isOn);
    image.body.setAttribute("role", isOn ? "grid" : "table");
    this.cursor = clampCell(this.cursor, [inner.rows, inner.columns]);
    const [i, j] = [this.cursor[0] + inner.row, this.cursor[1] + inner.column];
    image.cells.flat().forEach((cell) => {
      cell.setAttribute("role", isOn ? "gridcell" : "cell");
      cell.classList.toggle("cnn-cursor", isOn && cell === image.cells[i][j]);
    });
    if (isOn) {
      image.body.tabIndex = 0;
      image.body.setAttribute("aria-activedescendant", image.cells[i][j].id);
    } else {
      image.body.removeAttribute("tabindex");
      image.body.removeAttribute("aria-activedescendant");
    }
  }
}

// ---- controls ---------------------------------------------------------------------------------

class Controls {
  // `set(changes)` changes the layer and forgets the answers.
  constructor(model, walk, set, brush) {
    Object.assign(this, { model, walk, set, brush });
    const beginning = this.now();
    this.play = button("Play", "Play", () => walk.toggle());
    const step = button("Step", "Step to the next output cell", () => walk.step());
    const reset = button("Reset", "Reset to the beginning",
      () => set({ ...beginning, playing: false }));
    this.kernel = new Choice("Kernel", (name) => this.chooseKernel(name));
    this.stride = new Choice("Stride", (value) => set({ stride: value }));
    this.padding = new Choice("Padding", (value) => set({ padding: value }));
    this.image = new Choice("Image", (name) => this.chooseImage(name));
    const toggle = (name, text) => new Switch(text, (value) => walk.set({ [name]: value }));
    this.flipped = new Switch("true convolution (turned kernel)",
      (value) => set({ flipped: value }));
    this.predict = toggle("predict", "predict the output");
    this.drawing = toggle("drawing", "draw on the image");
    this.channel = new Tabs("Channel", (c) => walk.set({ channel: c }));
    this.filter = new Tabs("Filter", (f) => walk.set({ filter: f }));
    this.build(step, reset);
  }

  build(step, reset) {
    const row = (nodes) => element("div", { class: "cnn-controls" }, nodes);
    this.help = element("p", { class: "cnn-help" });
    this.more = new Fold("More", [row([this.image.node, this.drawing.node, this.brush.node,
      this.flipped.node, this.predict.node])]);
    this.more.open(["flipped", "predict", "drawing"].some((name) => this.model.get(name)));
    const keys = new Fold("Keys", [this.help]);
    this.sheets = row([this.channel.node, this.filter.node]);
    this.node = element("div", {}, [row([this.play, step, reset, this.kernel.node,
      this.stride.node, this.padding.node, this.more.button, keys.button]),
    keys.panel, this.more.panel, this.sheets]);
  }

  now() {
    const names = ["image", "kernel", "stride", "padding", "position", ...Object.keys(BEGINNING)];
    return Object.fromEntries(
      names.map((name) => [name, this.model.get(name) ?? BEGINNING[name]]));
  }

  chooseKernel(name) {
    const [{ f, c, kernel }, seed] = [layerOf(this.model), this.model.get("seed") ?? 0];
    if (name === "") return;
    const isRandom = name === "random";
    const sheet = isRandom ? randomKernel(sizeOf(kernel[c]), seed) : KERNELS[name];
    this.set({ kernel: withSheet(this.model.get("kernel"), f, c, sheet),
      ...(isRandom ? { seed: seed + 1 } : {}) });
  }

  chooseImage(name) {
    const { x, f, c } = layerOf(this.model);
    if (name === "") return;
    const sheet = readyImage(name, sizeOf(x[c]), this.brush.ink);
    this.set({ image: withSheet(this.model.get("image"), f, c, sheet) });
  }

  // Is there an output at all with this stride, padding or kernel instead?
  fits(changes) {
    const now = { get: (name) => changes[name] ?? this.model.get(name) };
    return layerOf(now).windows.output.every((size) => size >= 1);
  }

  // Sheets of one stack have one size; a kernel without layers may change it.
  kernelFits(name) {
    if (name === "" || name === "random") return true;
    const kernel = this.model.get("kernel");
    if (depthOf(kernel) === 2) return this.fits({ kernel: KERNELS[name] });
    return String(sizeOf(KERNELS[name])) === String(layerOf(this.model).windows.kernelSize);
  }

  draw() {
    const { x, f, c, filters, channels, kernel } = layerOf(this.model);
    const named = (sheets, same) => Object.keys(sheets).find((name) => same(name)) ?? "";
    const list = (names, current) =>
      [...(current ? [] : [["", "your own"]]), ...names.map((name) => [name, name])];
    const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);
    const kernelName = named(KERNELS, (name) => isSame(KERNELS[name], kernel[c]));
    this.kernel.draw(list([...Object.keys(KERNELS), "random"], kernelName), kernelName,
      (name) => this.kernelFits(name));
    const imageName = named(IMAGES, (name) =>
      isSame(readyImage(name, sizeOf(x[c]), this.brush.ink), x[c]));
    this.image.draw(list(Object.keys(IMAGES), imageName), imageName);
    this.stride.draw([1, 2, 3].map((n) => [n, String(n)]), this.model.get("stride"));
    this.padding.draw([[0, "0"], [1, "1"], [2, "2"], ["same", "same"]], this.model.get("padding"),
      (value) => this.fits({ padding: value }));
    this.channel.draw(channels, c);
    this.filter.draw(filters, f);
    this.sheets.hidden = channels === 1 && filters === 1;
    this.drawSwitches();
  }

  drawSwitches() {
    ["flipped", "predict", "drawing"].forEach((name) =>
      this[name].draw(Boolean(this.model.get(name))));
  }

  drawPlaying() {
    this.play.textContent = this.model.get("playing") ? "Pause" : "Play";
    this.play.setAttribute("aria-label", this.play.textContent);
  }
}

// ---- the grids --------------------------------------------------------------------------------

// How many rows and columns the stylesheet has to fit into its width and height.
function drawSizes(stage, padded, kernel, output, { flipped, bias, isDeep }) {
  const widest = Math.max(padded[1], output[1]);
  const signs = 9 + (flipped ? 5 : 0) + (bias ? 4 : 0) + (isDeep ? 3 : 0); // rem, with the gaps
  const sizes = {
    "--beside": padded[1] + output[1], "--widest": widest, "--kernel-columns": kernel[1],
    "--kernels": flipped ? 2 : 1, "--others": bias ? 1 : 0, "--note": isDeep ? "3.8rem" : "0rem",
    "--signs": `${signs}rem`, "--tall": Math.max(padded[0], output[0], kernel[0]),
    "--out-rows": output[0], "--out-columns": output[1],
    "--least": widest > 11 ? "0.6rem" : flipped ? "1.1rem" : "1.5rem",
  };
  Object.entries(sizes).forEach(([name, value]) => stage.style.setProperty(name, value));
}

class Stage {
  constructor({ editKernel, editBias }) {
    this.warning = element("p", { class: "cnn-warning", role: "status", hidden: true });
    const say = (text) => {
      this.warning.hidden = text === "";
      this.warning.textContent = text;
    };
    const write = fractionNumber;
    const grid = (kind, options) => {
      const made = new NumberGrid(options);
      made.node.classList.add(`cnn-${kind}`);
      return made;
    };
    this.image = grid("image", { label: "Image" });
    this.kernel = grid("kernel", { label: "Kernel", signed: true, edit: editKernel, say, write });
    this.turned = grid("turned", { label: "Turned", signed: true, write });
    this.bias = grid("bias", { label: "Bias", signed: true, edit: editBias, say });
    this.output = grid("output", { label: "Output", signed: true, role: "grid" });
    this.output.body.tabIndex = 0;
    this.bias.frame.hidden = true;
    this.node = element("div", { class: "cnn-stage" });
    this.arranged = "";
  }

  // image ⋆ kernel (+ bias) = output, or image ∗ kernel ↻ turned kernel (+ bias) = output
  arrange({ flipped, bias }) {
    if (this.arranged === String([flipped, bias])) return; // a field in use keeps the focus
    this.arranged = String([flipped, bias]);
    const sign = (text, kind = "") =>
      element("div", { class: `cnn-sign ${kind}`, "aria-hidden": "true", text });
    const { image, kernel, turned, bias: shift, output } = this;
    this.node.replaceChildren(image.node, sign(flipped ? "\u2217" : "\u22c6", "cnn-star"),
      kernel.node, ...(flipped ? [sign("\u21bb"), turned.node] : []),
      ...(bias ? [sign("+"), shift.node] : []), sign("="), output.node);
  }

  // A second line under the title says which sheet of the stack is in view.
  label(grid, text, count) {
    grid.node.classList.toggle("cnn-sheets", count > 1);
    grid.node.style.setProperty("--sheets", Math.min(count, 3) - 1);
    if (text) grid.title.append(element("span", { class: "cnn-which", text }));
  }

  draw(layer, flipped, output, isHidden) {
    const { x, f, c, filters, channels, kernel, weight, bias, windows } = layer;
    const has = { flipped, bias: bias !== null, isDeep: filters > 1 || channels > 1 };
    this.arrange(has);
    const [[top], [left]] = windows.padding;
    const [rows, columns] = sizeOf(x[c]);
    const [KH, KW] = windows.kernelSize;
    const padded = pad(x[c], windows.padding);
    this.image.draw(padded, { row: top, column: left, rows, columns });
    this.kernel.draw(kernel[c]);
    if (flipped) this.turned.draw(weight[c]);
    (flipped ? this.turned : this.kernel).mark({ row: 0, column: 0, rows: KH, columns: KW });
    this.kernel.frame.hidden = flipped;
    if (has.bias) this.bias.draw([[bias]]);
    this.bias.title.textContent = "Bias";
    this.output.draw(output, null, isHidden);
    drawSizes(this.node, sizeOf(padded), [KH, KW], sizeOf(output), has);
    this.drawLabels(f, c, filters, channels, has);
  }

  drawLabels(f, c, filters, channels, { flipped, bias, isDeep }) {
    const of = (word, k, count) => (isDeep && count > 1 ? `${word} ${k} of ${count}` : "");
    const sheet = [filters > 1 && `filter ${f}`, channels > 1 && `channel ${c}`].filter(Boolean);
    const blank = isDeep ? "\u00a0" : ""; // all grids keep one height of title
    this.label(this.image, of("channel", c, channels) || blank, channels);
    this.label(this.kernel, sheet.join(", "), channels);
    if (flipped) this.label(this.turned, sheet.join(", "), channels);
    if (bias) this.label(this.bias, filters > 1 ? `filter ${f}` : blank, 1);
    this.label(this.output, of("filter", f, filters) || blank, filters);
  }
}

// ---- the view ---------------------------------------------------------------------------------

function walkOf(model) {
  return new Walk(model, () => layerOf(model).windows.output);
}

function initialize({ model }) {
  return walkOf(model).run();
}

function buildParts(model) {
  const walk = walkOf(model);
  const set = (changes) => walk.set({ ...changes, answers: [] });
  const editKernel = (u, v, value) => {
    const { f, c, kernel } = layerOf(model);
    set({ kernel: withSheet(model.get("kernel"), f, c, withCell(kernel[c], u, v, value)) });
  };
  const editBias = (row, column, value) => {
    const [bias, { f }] = [model.get("bias"), layerOf(model)];
    set({ bias: Array.isArray(bias) ? bias.map((b, k) => (k === f ? value : b)) : value });
  };
  const stage = new Stage({ editKernel, editBias });
  const brush = new Brush(model, stage.image, set, () => brush.drawCursor());
  const prediction = new Prediction(model, walk);
  prediction.listenToKeys(stage.output.body); // before the walk, which hears the pointer too
  return { walk, stage, brush, prediction, controls: new Controls(model, walk, set, brush) };
}

function build(el, { walk, stage, prediction, controls }) {
  const products = element("div", { class: "cnn-products", "aria-hidden": "true" });
  const sums = element("div", { class: "cnn-sums", "aria-hidden": "true" });
  const says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  const working = element("div", { class: "cnn-working" }, [products, sums, says]);
  const body = element("div", { class: "cnn-body" },
    [controls.node, stage.node, stage.warning, prediction.node, working]);
  const root = element("div", { class: "cnn-widget" }, [body]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  walk.listenToKeys(root, stage.output.body);
  walk.listenToPointer(stage.output.body);
  el.append(root);
  return { products, sums, says, root };
}

function render({ model, el }) {
  const parts = buildParts(model);
  const { walk, stage, brush, prediction, controls } = parts;
  const { products, sums, says, root } = build(el, parts);
  let output = null; // of the filter in view, as it was last computed

  const drawPosition = () => {
    const layer = layerOf(model);
    if (!isWhole(layer) || !output) return;
    if (String(sizeOf(output)) !== String(layer.windows.output)) return;
    const [i, j] = walk.position;
    const cell = stage.output.cells[i]?.[j];
    if (!cell) return;
    const found = partsOf(layer, i, j);
    const isHidden = prediction.isHidden(layer.f, i, j);
    const terms = found.terms[layer.c];
    stage.image.mark(windowAt(i, j, layer.windows));
    stage.output.mark({ row: i, column: j, rows: 1, columns: 1 });
    stage.output.body.setAttribute("aria-activedescendant", cell.id);
    products.hidden = terms.length > MOST_TERMS;
    if (!products.hidden) drawProducts(products, terms, layer.windows.kernelSize[1], isHidden);
    sums.hidden = layer.channels === 1;
    if (!sums.hidden) drawSums(sums, layer, found, isHidden);
    prediction.draw(layer, found);
    says.setAttribute("aria-live", model.get("playing") ? "off" : "polite");
    says.textContent = sentence(layer, [i, j], found, isHidden);
  };
  const drawAll = () => {
    const layer = layerOf(model);
    if (!isWhole(layer)) return;
    output = outputOf(layer);
    stage.draw(layer, Boolean(model.get("flipped")), output,
      (i, j) => prediction.isHidden(layer.f, i, j));
    controls.draw();
    brush.drawCursor();
    drawPosition();
  };
  const drawModes = () => {
    const modes = [HELP, model.get("predict") && PREDICT_HELP, model.get("drawing") && DRAW_HELP];
    controls.help.textContent = (modes[1] ? modes.slice(1) : modes).filter(Boolean).join(" ");
    drawAll();
  };
  const drawPlay = () => {
    controls.drawPlaying();
    drawPosition();
  };
  drawModes();
  drawPlay();
  const stops = [
    onTraits(model, [...SHAPING, "filter", "channel", "answers"], drawAll),
    onTraits(model, ["predict", "drawing"], drawModes),
    onTraits(model, ["position"], drawPosition),
    onTraits(model, ["playing"], drawPlay),
  ];
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

export default { initialize, render };
