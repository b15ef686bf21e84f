// The gradient view: scatter one upstream value, or gather one cell of dW or of dX.
// cnn.js, grid.js and gradient.js stand in front of this file.

const MOST_TERMS = 16; // a longer sum is not written out
const MOST_BESIDE = 8; // columns of x, w and dy together: with more, one view at a time is shown
const SHAPING = ["x", "weight", "dy", "kind", "kernel_size", "stride", "padding", "rule", "view"];
const VIEWS = [["scatter", "Scatter", "scatter"], ["dw", "Gather dW", "dW"],
  ["dx", "Gather dX", "dX"]];
const RULES = [["first", "first maximum only"], ["all", "all, each in full"],
  ["shared", "all, in equal parts"]];
const WHOSE = { first: "The rule of this course and of PyTorch's max pooling.",
  all: "The rule of published code that compares the window with its maximum.",
  shared: "What adds up to dy is a valid choice too; PyTorch's amax shares like this." };
const KEYS = "tap it, or press the arrow keys there; space plays, Home and End go to its ends. ";
const HELP = { conv: `Point at a cell of dy in the first view, of dW or dX in the others, ${KEYS}`
    + "Hatched: the zeros around x, around dy and between its values; in dX, what is cropped.",
  pool: `Point at a cell of dy, ${KEYS}Solid ring: the first maximum; dashed: its equals.` };

function isConv(model) {
  return model.get("kind") === "conv";
}

function geometry(model, changes = {}) {
  const now = (name) => changes[name] ?? model.get(name);
  const kernelSize = isConv(model) ? sizeOf(now("weight")) : asPair(now("kernel_size"));
  return resolveWindows(sizeOf(now("x")), kernelSize, now("stride"), now("padding"));
}

function counted([rows, columns]) {
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: columns }, (__, j) => i * columns + j + 1));
}

// x in another size: what is there stays, new pixels get some digit.
function resized(x, size) {
  return Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (__, j) => x[i]?.[j] ?? (7 * i + 3 * j) % 10));
}

// These changes, with dy counted anew where it no longer fits.
function withGradient(model, changes) {
  const { output } = geometry(model, changes);
  const dy = changes.dy ?? model.get("dy");
  return String(sizeOf(dy)) === String(output) ? changes : { ...changes, dy: counted(output) };
}

// How many rows and columns the chosen view walks over.
function walkedOf(model) {
  const { output, kernelSize } = geometry(model);
  return { scatter: output, dw: kernelSize, dx: sizeOf(model.get("x")) }[model.get("view")];
}

// ---- words ------------------------------------------------------------------------------------

function text(value) {
  return formatNumber(value, decimalsFor([value]));
}

function factor(value) { // in a product: a negative one in brackets
  return value < 0 ? `(${text(value)})` : text(value);
}

// "1·3 + 2·4 = 11"; "≈" where something had to be rounded
function sumInWords(pairs, total) {
  const isExact = [...pairs.flat(), total].every((v) => Math.abs(v - Number(v.toFixed(2))) < 1e-9);
  const sign = isExact ? "=" : "\u2248";
  if (pairs.length === 0) return "= 0";
  if (pairs.length > MOST_TERMS) return `${sign} ${text(total)}, a sum of ${pairs.length} products`;
  const products = pairs.map(([a, b]) => `${factor(a)}\u00b7${factor(b)}`).join(" + ");
  return `= ${products} ${sign} ${text(total)}`;
}

function listed(values) {
  return values.length > MOST_TERMS ? `${values.length} numbers` : values.map(text).join(", ");
}

function windowOf(map, { row, column, rows, columns }) {
  return map.slice(row, row + rows).flatMap((line) => line.slice(column, column + columns));
}

// "2·(0, 1, 0, 2) = 0, 2, 0, 4"
function timesInWords(value, others) {
  if (others.length > MOST_TERMS) return `${others.length} products`;
  return `${text(value)}\u00b7(${listed(others)}) = ${listed(others.map((v) => value * v))}`;
}

function scatterInWords({ weight, dy, windows, padded }, [i, j]) {
  const value = dy[i][j];
  const number = i * dy[0].length + j + 1;
  const pixels = windowOf(padded, windowAt(i, j, windows));
  const bias = dy.flat().slice(0, number).reduce((sum, one) => sum + one, 0);
  return `dy(${i}, ${j}) = ${text(value)}: its window of dX gets dy\u00b7w, `
    + `${timesInWords(value, weight.flat())}; dW gets dy\u00b7x, ${timesInWords(value, pixels)}. `
    + `Added ${number} of ${dy.flat().length}; db so far ${text(bias)}.`;
}

function weightInWords({ padded, dy, windows }, [u, v]) {
  const terms = weightTerms(padded, dy, u, v, windows);
  const pairs = terms.map(({ value, pixel }) => [value, pixel]);
  return `dW(${u}, ${v}) ${sumInWords(pairs, sumOf(terms))}: each value of dy times the pixel that `
    + `w(${u}, ${v}) met there.`;
}

function pixelInWords({ x, weight, dy, windows }, [row, column]) {
  const { padding: [[top], [left]], kernelSize } = windows;
  const terms = pixelTerms(weight, dy, row + top, column + left, sizeOf(x), windows);
  const zeros = kernelSize[0] * kernelSize[1] - terms.length;
  const pairs = terms.map(({ value, weight: w }) => [value, w]);
  const rest = terms.length === 0 ? "no window reaches this pixel"
    : `${terms.length === 1 ? "1 output" : `${terms.length} outputs`} used this pixel`;
  return `dX(${row}, ${column}) ${sumInWords(pairs, sumOf(terms))}: ${rest}`
    + (zeros > 0 ? `; ${zeros} of the ${zeros + terms.length} weights `
      + `${zeros === 1 ? "meets a zero" : "meet zeros"}.` : ".");
}

function poolInWords({ x, dy, kind, rule, windows }, [i, j]) {
  const window = poolWindow(x, kind, i, j, windows);
  const shares = poolShares(window, dy[i][j], rule);
  const values = listed(window.terms.map((term) => term.value));
  const told = kind === "average" ? `each of ${shares.length} cells gets dy / ${shares.length}`
    : window.equal.length === 1 ? "one maximum gets it"
      : `${window.equal.length} equal maxima: ` + { first: "the first one gets it",
        all: "each gets all of it", shared: `each gets 1/${window.equal.length} of it` }[rule];
  const sent = shares.reduce((sum, share) => sum + share, 0);
  return `dy(${i}, ${j}) = ${text(dy[i][j])}, window ${values}: ${told}. Sent `
    + `${listed(shares)}: in all ${text(sent)}, `
    + `${isEqual(sent, dy[i][j]) ? "as much as dy." : `not ${text(dy[i][j])}.`}`;
}

// What the rule does to the sum: up to this cell of dy, and over all of them.
function totals({ x, dy, kind, rule, windows }, [i, j]) {
  const told = (count) => {
    const paid = sumOfAll(poolScatter(x, dy, kind, rule, windows, count));
    const given = dy.flat().slice(0, count).reduce((sum, value) => sum + value, 0);
    const off = paid - given;
    return `sum of dX = ${text(paid)}, sum of dy = ${text(given)}: `
      + (isEqual(paid, given) ? "\u2713 kept."
        : `\u2717 not kept, ${text(Math.abs(off))} too ${off > 0 ? "much" : "little"}.`);
  };
  const [number, all] = [i * dy[0].length + j + 1, dy.flat().length];
  return [...(number < all ? [`So far: ${told(number)}`] : []), `After all cells: ${told(all)}`,
    kind === "max" ? WHOSE[rule] : "An average has no ties: every cell of the window is paid."];
}

// What each view computes, beside its name.
export function formulas({ stride, padding }) {
  const upstream = stride.some((step) => step > 1) ? "dilated dy" : "dy";
  const isPadded = padding.flat().some((side) => side > 0);
  return { scatter: " dX += dy\u00b7w, dW += dy\u00b7x",
    dw: ` = ${isPadded ? "padded x" : "x"} \u22c6 ${upstream}`,
    dx: ` = full ${upstream} \u22c6 turned w${isPadded ? ", cropped" : ""}` };
}

// ---- what a view remembers ---------------------------------------------------------------------

// A cell of dW or dX is a question until it was visited, or all of them are shown; scatter, looked
// at from another view, stays where it was. New numbers or sizes make everything a question again.
class Memory {
  constructor(model) {
    Object.assign(this, { model, of: "" });
    this.forget();
  }

  forget() {
    Object.assign(this, { dw: new Set(), dx: new Set(), scattered: 0 });
  }

  visit(view, [i, j]) {
    const now = JSON.stringify(["x", "weight", "dy", "stride", "padding"]
      .map((name) => this.model.get(name)));
    if (now !== this.of) this.forget();
    this.of = now;
    if (view === "scatter") this.scattered = i * this.model.get("dy")[0].length + j + 1;
    else this[view].add(String([i, j]));
  }

  get isAll() {
    return Boolean(this.model.get("show_all"));
  }

  isHidden(view, i, j) {
    return !this.isAll && !this[view].has(String([i, j]));
  }
}

// ---- drawing ----------------------------------------------------------------------------------

// One column of the stage: its grids in rows, and the grid that is walked over.
function buildPanel(key, rows, walked) {
  walked.body.tabIndex = 0;
  const lines = rows.map((line) => element("div", { class: "cnn-flow-row" }, line.map((part) =>
    part.node ?? element("span", { class: part === "\u22c6" ? "cnn-op cnn-star" : "cnn-op",
      "aria-hidden": "true", text: part }))));
  const node = element("div", { class: "cnn-view", "data-view": key }, lines);
  return { key, walked, node, grids: rows.flat().filter((part) => part.node) };
}

function buildPanels(model) {
  const grid = (label, role = "table", signed = true) => new NumberGrid({ label, role, signed });
  const given = { x: grid("x", "table", false), weight: grid("w"), dy: grid("dy", "grid") };
  const [dx, dweight] = [grid("dX so far"), grid("dW so far")];
  if (!isConv(model)) {
    const only = buildPanel("scatter", [[given.x, given.dy, "\u2192", dx]], given.dy);
    return { given, panels: [only] };
  }
  const [seen, slid, dw] = [grid("x", "table", false), grid("dy"), grid("dW", "grid")];
  const [full, turned, gathered] = [grid("full dy"), grid("w turned"), grid("dX", "grid")];
  return { given, panels: [
    buildPanel("scatter", [[given.x, given.weight, given.dy], ["+=", dx, dweight]], given.dy),
    buildPanel("dw", [[seen, "\u22c6", slid], ["=", dw]], dw),
    buildPanel("dx", [[full, "\u22c6", turned], ["=", gathered]], gathered)] };
}

function drawGrid(grid, values, { inner = null, frame = null, isHidden } = {}) {
  grid.draw(values, null, isHidden);
  grid.title.textContent = grid.label;
  grid.frame.hidden = frame === null;
  if (frame) grid.mark(frame);
  grid.cells.flat().forEach((cell) => {
    const [i, j] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    cell.classList.toggle("cnn-border", inner !== null && !contains(inner, i, j));
    cell.classList.remove("cnn-used", "cnn-winner", "cnn-tied");
    delete cell.dataset.add;
  });
}

// "+6" in the corner of the cells of a window.
function markAdded(grid, frame, values) {
  values.forEach((value, k) => {
    const [u, v] = [Math.floor(k / frame.columns), k % frame.columns];
    const cell = grid.cells[frame.row + u][frame.column + v];
    cell.dataset.add = value < 0 ? text(value) : `+${text(value)}`;
    cell.style.setProperty("--add", Math.min(0.32, 0.8 / widthOf(cell.dataset.add)).toFixed(3));
  });
}

function one([row, column]) {
  return { row, column, rows: 1, columns: 1 };
}

function innerOf({ x, windows: { padding: [[row], [column]] } }) {
  const [rows, columns] = sizeOf(x);
  return { row, column, rows, columns };
}

function drawScatter(grids, now, position, memory) {
  const { padded, weight, dy, windows } = now;
  const [gridX, gridW, gridDy, gridDx, gridDw] = grids;
  const inner = innerOf(now);
  const count = position || !memory.isAll ? memory.scattered : Infinity;
  const { dpadded, dweight } = scatter(now.x, weight, dy, windows, count);
  const frame = position && windowAt(...position, windows);
  drawGrid(gridX, gridX.edit ? now.x : padded, gridX.edit ? {} : { inner, frame });
  drawGrid(gridW, weight);
  drawGrid(gridDy, dy, { frame: position && one(position) });
  const isPart = position !== null || count < dy.flat().length;
  [gridDx.label, gridDw.label] = isPart ? ["dX so far", "dW so far"] : ["dX", "dW"];
  drawGrid(gridDx, dpadded, { inner, frame });
  drawGrid(gridDw, dweight);
  if (!position) return;
  const value = dy[position[0]][position[1]];
  const pixels = windowOf(padded, frame);
  markAdded(gridDx, frame, weight.flat().map((w) => value * w));
  markAdded(gridDw, { ...frame, row: 0, column: 0 }, pixels.map((pixel) => value * pixel));
}

function markZeros(grid, isValue) {
  grid.cells.forEach((row, i) => row.forEach((cell, j) => {
    cell.classList.toggle("cnn-border", !isValue(i, j));
  }));
}

function drawWeightGather([gridX, gridDy, gridDw], now, position, memory) {
  const { padded, dy, windows } = now;
  const wide = dilate(dy, windows.stride);
  const [rows, columns] = sizeOf(wide);
  const frame = position && { row: position[0], column: position[1], rows, columns };
  drawGrid(gridX, padded, { inner: innerOf(now), frame });
  drawGrid(gridDy, wide);
  markZeros(gridDy, (i, j) => i % windows.stride[0] === 0 && j % windows.stride[1] === 0);
  drawGrid(gridDw, gather(now.x, now.weight, dy, windows).dweight,
    { frame: position && one(position), isHidden: (u, v) => memory.isHidden("dw", u, v) });
  if (!position) return;
  const terms = weightTerms(padded, dy, ...position, windows);
  if (terms.length === rows * columns) return; // the whole frame is used
  terms.forEach(({ row, column }) => gridX.cells[row][column].classList.add("cnn-used"));
}

function drawPixelGather([gridFull, gridTurned, gridDx], now, position, memory) {
  const { x, weight, dy, windows } = now;
  const inner = innerOf(now);
  const place = position && [position[0] + inner.row, position[1] + inner.column];
  const [rows, columns] = windows.kernelSize;
  drawGrid(gridFull, fullGradient(dy, sizeOf(x), windows),
    { frame: place && { row: place[0], column: place[1], rows, columns } });
  markZeros(gridFull, (i, j) => upstreamAt(i, j, sizeOf(x), windows) !== null);
  drawGrid(gridTurned, turn(weight));
  const isHidden = (i, j) => contains(inner, i, j) // what is cropped is nobody's question
    && memory.isHidden("dx", i - inner.row, j - inner.column);
  drawGrid(gridDx, gather(x, weight, dy, windows).dpadded,
    { inner, frame: place && one(place), isHidden });
  if (!position) return;
  const terms = pixelTerms(weight, dy, ...place, sizeOf(x), windows);
  if (terms.length === rows * columns) return;
  terms.forEach(({ a, b }) => {
    gridFull.cells[place[0] + a][place[1] + b].classList.add("cnn-used");
    gridTurned.cells[a][b].classList.add("cnn-used");
  });
}

function drawPool([gridX, gridDy, gridDx], { x, dy, kind, rule, windows }, position) {
  const count = position[0] * dy[0].length + position[1] + 1;
  const frame = windowAt(...position, windows);
  const window = poolWindow(x, kind, ...position, windows);
  drawGrid(gridX, x, { frame });
  drawGrid(gridDy, dy, { frame: one(position) });
  drawGrid(gridDx, poolScatter(x, dy, kind, rule, windows, count), { frame });
  window.equal.forEach((term) => gridX.cells[term.row][term.column].classList.add(
    term === window.winner ? "cnn-winner" : "cnn-tied"));
  markAdded(gridDx, frame, poolShares(window, dy[position[0]][position[1]], rule));
}

const DRAW = { scatter: drawScatter, dw: drawWeightGather, dx: drawPixelGather };
const TELL = { scatter: scatterInWords, dw: weightInWords, dx: pixelInWords };

// ---- controls ---------------------------------------------------------------------------------

// The three views as radio buttons: tabs where only one of them has room.
function buildTabs(onChange) {
  const name = `cnn-views-${COPY}-${Math.random().toString(36).slice(2)}`;
  const inputs = VIEWS.map(([key, spoken]) => {
    const input = element("input", { type: "radio", name, "aria-label": spoken });
    input.addEventListener("change", () => onChange(key));
    return input;
  });
  const told = VIEWS.map(() => element("small"));
  const node = element("div", { class: "cnn-views", role: "radiogroup", "aria-label": "View" },
    inputs.map((input, k) => element("label", { class: "cnn-tab" }, [input,
      element("span", {}, [VIEWS[k][2], told[k]])])));
  return { node, draw: (view, windows) => VIEWS.forEach(([key], k) => {
    inputs[k].checked = key === view;
    told[k].textContent = formulas(windows)[key];
  }) };
}

function fits(model, changes) {
  const { output, padding, kernelSize } = geometry(model, changes);
  const padded = sizeOf(changes.x ?? model.get("x"))
    .map((n, axis) => n + padding[axis][0] + padding[axis][1]);
  return padded.every((n, axis) => n <= 12 && n >= kernelSize[axis]) && output.every((n) => n > 0);
}

function buildControls(model, walk, reset, edit) {
  const change = (changes) => walk.set(withGradient(model, changes));
  const digit = (least, most) => least + Math.floor(Math.random() * (most - least + 1));
  const fresh = (values, least, most) => values.map((row) => row.map(() => digit(least, most)));
  const random = () => change(isConv(model)
    ? { x: fresh(model.get("x"), 0, 9), weight: fresh(model.get("weight"), -2, 2),
      dy: fresh(model.get("dy"), -3, 4) }
    : { x: fresh(model.get("x"), 0, 4), dy: fresh(model.get("dy"), 1, 6) });
  const controls = {
    play: button("Play", "Play", () => walk.toggle()),
    size: new Choice("Image", (size) => change({ x: resized(model.get("x"), size[0]) })),
    stride: new Choice("Stride", (stride) => change({ stride })),
    padding: new Choice("Padding", (padding) => change({ padding })),
    kind: new Choice("Pooling", (kind) => change({ kind })),
    rule: new Choice("Ties", (rule) => change({ rule })),
    edit: new Switch("Edit", edit),
    keys: new Fold("Keys", [element("p", { class: "cnn-help", text: HELP[isConv(model) ? "conv"
      : "pool"] })]),
    all: button("Show all", "Show all of dW and dX",
      () => walk.set({ show_all: !model.get("show_all") })),
  };
  const own = isConv(model) ? [controls.size, controls.stride, controls.padding]
    : [controls.kind, controls.rule, controls.stride];
  controls.node = element("div", { class: "cnn-controls" }, [
    controls.play, button("Step", "Step to the next cell", () => walk.step()),
    button("Reset", "Reset to the beginning", reset), ...own.map((control) => control.node),
    button("New", "New numbers everywhere", random), controls.edit.node, controls.keys.button]);
  return controls;
}

function drawControls(model, controls) {
  const numbers = (...values) => values.map((value) => [value, String(value)]);
  const pairs = [1, 2, 3].map((n) => [[n, n], String(n)]);
  const [H, W] = sizeOf(model.get("x"));
  const sizes = [3, 4, 5, 6].map((n) => [n, n]);
  if (!sizes.some((size) => String(size) === String([H, W]))) sizes.push([H, W]);
  controls.size.draw(sizes.map((size) => [size, size.join(" \u00d7 ")]), [H, W],
    ([n, m]) => n !== m || fits(model, { x: resized(model.get("x"), n) }));
  controls.stride.draw(pairs, asPair(model.get("stride")), (stride) => fits(model, { stride }));
  controls.padding.draw(numbers(0, 1, 2), model.get("padding"),
    (padding) => fits(model, { padding }));
  controls.kind.draw([["max", "max"], ["average", "average"]], model.get("kind"));
  controls.rule.draw(RULES, model.get("rule"));
  controls.rule.node.hidden = model.get("kind") === "average";
  const isAll = Boolean(model.get("show_all"));
  controls.all.textContent = isAll ? "Hide" : "Show all";
  controls.all.setAttribute("aria-label", `${controls.all.textContent}${isAll ? " what was not "
    + "visited" : ""} of dW and dX`);
  controls.all.hidden = !isConv(model);
}

// ---- the view ---------------------------------------------------------------------------------

function initialize({ model }) {
  return new Walk(model, () => walkedOf(model)).run();
}

function valuesNow(model) {
  const names = ["x", "weight", "dy", "kind", "rule"];
  const windows = geometry(model);
  const now = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  return { ...now, windows, padded: pad(now.x, windows.padding) };
}

// Keys, pointer and focus on the grid that a panel walks over.
function listenToPanel(model, walk, { key, walked }) {
  const grid = walked.body;
  const origin = () => (key === "dx" ? geometry(model).padding.map(([before]) => before) : [0, 0]);
  const visit = (event) => {
    const cell = event.target.closest(".cnn-cell");
    if (!cell || (event.type === "pointerover" && model.get("playing"))) return;
    const [top, left] = origin();
    const position = [Number(cell.dataset.row) - top, Number(cell.dataset.column) - left];
    const size = { scatter: sizeOf(model.get("dy")), dw: geometry(model).kernelSize,
      dx: sizeOf(model.get("x")) }[key];
    if (String(clampCell(position, size)) !== String(position)) return; // on the cropped border
    const before = [model.get("view"), model.get("position")];
    if (String([key, position]) === String(before)) return;
    walk.set({ view: key, position, playing: false });
  };
  grid.addEventListener("keydown", (event) => {
    if (event.target.tagName === "INPUT") event.stopPropagation(); // typing moves nothing
    else if (model.get("view") !== key) walk.set({ view: key, playing: false });
  }, true);
  grid.addEventListener("keydown", (event) => {
    if (event.key !== "End" || event.ctrlKey || event.metaKey || event.altKey) return;
    walk.goTo(walkedOf(model).map((size) => size - 1));
    event.preventDefault();
  });
  grid.addEventListener("focusin", (event) => {
    if (event.target === grid && model.get("view") !== key) walk.set({ view: key, playing: false });
    if (event.target.tagName === "INPUT") visit(event);
  });
  grid.addEventListener("pointerover", visit);
  grid.addEventListener("click", visit);
}

function render({ model, el }) {
  const walk = new Walk(model, () => walkedOf(model));
  const beginning = Object.fromEntries(
    [...SHAPING, "position"].map((name) => [name, model.get(name)]));
  beginning.show_all = Boolean(model.get("show_all"));
  const memory = new Memory(model);
  const { given, panels } = buildPanels(model);
  const setEdit = (isOn) => {
    for (const [name, grid] of Object.entries(given)) {
      grid.edit = isOn ? (i, j, value) => walk.set({ playing: false, [name]: model.get(name)
        .map((row, k) => row.map((old, l) => (k === i && l === j ? value : old))) }) : null;
      grid.shape = [0, 0]; // to be built again
    }
    if (isOn) walk.set({ view: "scatter" });
    drawAll();
  };
  const controls = buildControls(model, walk, () => {
    walk.set({ ...beginning, playing: false });
    memory.forget(); // what was drawn on the way is no visit
    controls.edit.draw(false);
    setEdit(false);
  }, setEdit);
  const tabs = buildTabs((view) => walk.set({ view, position: [0, 0], playing: false }));
  const says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  const sums = element("div", { class: "cnn-formulas", "aria-live": "polite" });
  const stage = element("div", { class: "cnn-flow" }, panels.map((panel) => panel.node));
  const root = element("div", { class: "cnn-widget" }, [element("div", { class: "cnn-body" },
    [controls.node, controls.keys.panel, ...(panels.length > 1 ? [tabs.node] : []), stage,
      element("div", { class: "cnn-flow-says" }, [says, controls.all]), sums])]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  el.append(root);

  const drawAll = () => {
    const now = valuesNow(model);
    if (String(sizeOf(now.dy)) !== String(now.windows.output)) return; // between two changes
    const [view, position] = [model.get("view"), walk.position];
    memory.visit(view, position);
    panels.forEach((panel) => {
      const isActive = panel.key === view;
      panel.node.classList.toggle("cnn-active", isActive);
      const draw = isConv(model) ? DRAW[panel.key] : drawPool;
      draw(panel.grids, now, isActive ? position : null, memory);
      drawSizes(panel);
    });
    stage.classList.toggle("cnn-tabbed", panels.length > 1
      && now.padded[0].length + now.weight[0].length + now.dy[0].length > MOST_BESIDE);
    markActive(panels, view, position, now);
    says.setAttribute("aria-live", model.get("playing") ? "off" : "polite");
    says.textContent = (isConv(model) ? TELL[view] : poolInWords)(now, position);
    const lines = isConv(model) ? [] : totals(now, position);
    sums.replaceChildren(...lines.map((line) => element("p", { text: line })));
    tabs.draw(view, now.windows);
    drawControls(model, controls);
  };
  const drawPlay = () => {
    controls.play.textContent = model.get("playing") ? "Pause" : "Play";
    controls.play.setAttribute("aria-label", controls.play.textContent);
    drawAll();
  };
  panels.forEach((panel) => {
    listenToPanel(model, walk, panel);
    walk.listenToKeys(root, panel.walked.body);
  });
  drawPlay();
  const stops = [onTraits(model, [...SHAPING, "position", "show_all"], drawAll),
    onTraits(model, ["playing"], drawPlay)];
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

function markActive(panels, view, [i, j], { windows: { padding: [[top], [left]] } }) {
  panels.forEach(({ key, walked }) => {
    const [row, column] = key === "dx" ? [i + top, j + left] : [i, j];
    const { body, cells } = walked;
    body.tabIndex = key === view ? 0 : -1; // Tab goes to the view that was chosen
    if (key === view) body.setAttribute("aria-activedescendant", cells[row][column].id);
    else body.removeAttribute("aria-activedescendant");
  });
}

// How many columns of cells the widest row of a panel has to fit, and both rows in one line.
function drawSizes({ node, grids }) {
  node.style.setProperty("--tall", Math.max(...grids.map((grid) => grid.shape[0])));
  const widths = grids.map((grid) => grid.shape[1]);
  const sum = (first, end) => widths.slice(first, end).reduce((total, n) => total + n, 0);
  const first = grids.length === 5 ? 3 : 2; // grids in the first row
  node.style.setProperty("--narrow", Math.max(sum(0, first), sum(first)));
  node.style.setProperty("--all", sum(0));
}

export default { initialize, render };
