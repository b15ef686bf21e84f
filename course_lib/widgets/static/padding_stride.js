// The padding-and-stride view: where the windows lie, what they see, what the floor drops.
// cnn.js and grid.js stand in front of this file.

const MOST_CELLS = 64; // rows or columns of image and padding together, as in base.py
const MOST_NUMBERED = 30; // columns of image and output: with more, the numbers do not fit
const SHAPING = ["size", "kernel_size", "stride", "padding"];
const HELP = "In the image: how many windows each cell lies in; hatched cells are padding, a "
  + "corner mark is the first cell of a window, dropped cells lie in no window at all. In the "
  + "output: the windows, numbered. Point at an output cell or tap it. With keys: click the "
  + "output, then use the arrow keys; Home and End go to the first and the last one, space plays.";

function geometry(values) {
  const size = asPair(values.size);
  return resolveWindows(size, asPair(values.kernel_size), values.stride, values.padding);
}

function valuesOf(model) {
  return Object.fromEntries(SHAPING.map((name) => [name, model.get(name)]));
}

function outputOf(model) {
  return geometry(valuesOf(model)).output;
}

// ---- words ------------------------------------------------------------------------------------

function counted(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

// "rows 2 to 4", "row 2"
function range(word, first, count) {
  return count === 1 ? `${word} ${first}` : `${word}s ${first} to ${first + count - 1}`;
}

// One axis: "⌊(8 + 1 + 1 − 3) / 2⌋ + 1 = 4", and what the floor does there.
function filledFormula(word, size, kernelSize, stride, [before, after], output) {
  const filled = `\u230a(${size} + ${before} + ${after} \u2212 ${kernelSize}) / ${stride}\u230b`
    + ` + 1 = ${output}`;
  const dropped = droppedBy(size, kernelSize, stride, [before, after]);
  const rest = size + before + after - kernelSize;
  return `${word}s: ${filled} (` + (dropped === 0 ? `${rest} / ${stride} is whole: nothing dropped)`
    : `${rest} / ${stride} leaves ${dropped}: ${counted(dropped, word)} dropped)`);
}

// What the floor drops, of the image and of its padding: "1 column of padding lies in no window."
function droppedInWords(size, { kernelSize, stride, padding }) {
  const parts = ["row", "column"].map((word, axis) => {
    const count = droppedBy(size[axis], kernelSize[axis], stride[axis], padding[axis]);
    const zeros = Math.min(count, padding[axis][1]);
    return { word, of: { padding: zeros, pixels: count - zeros } };
  });
  return ["pixels", "padding"].map((kind) => {
    const some = parts.filter(({ of }) => of[kind] > 0);
    const all = some.map(({ word, of }) => counted(of[kind], word)).join(" and ");
    const isOne = some.length === 1 && some[0].of[kind] === 1;
    return all && ` ${all} of ${kind} ${isOne ? "lies" : "lie"} in no window.`;
  }).join("");
}

function unseen(visits, inner) {
  const pixels = visits.flatMap((row, i) => row.filter((_, j) => contains(inner, i, j)));
  const missed = pixels.filter((count) => count === 0).length;
  return missed === 0 ? "Every pixel of the image lies in a window."
    : `${missed} of ${counted(pixels.length, "pixel")} of the image `
      + `${missed === 1 ? "lies" : "lie"} in no window.`;
}

function sentence([i, j], windows, inner) {
  const { row, column, rows, columns } = windowAt(i, j, windows);
  const number = i * windows.output[1] + j + 1;
  const high = Math.max(0, Math.min(row + rows, inner.row + inner.rows) - Math.max(row, inner.row));
  const wide = Math.max(0, Math.min(column + columns, inner.column + inner.columns)
    - Math.max(column, inner.column));
  const padding = rows * columns - high * wide;
  return `Window ${number} of ${windows.output[0] * windows.output[1]}, output (${i}, ${j}): `
    + `${range("row", row, rows)} and ${range("column", column, columns)}, counted with padding; `
    + `${padding} of its ${counted(rows * columns, "cell")} `
    + `${padding === 1 ? "is" : "are"} padding.`;
}

// Which of these values cannot be shown, and why: [name, message]; null where all can.
function complaint(values) {
  const names = { size: "Image", kernel_size: "Kernel", stride: "Stride", padding: "Padding" };
  for (const [name, word] of Object.entries(names)) {
    const least = name === "padding" ? 0 : 1;
    const isRight = (number) => typeof number === "string"
      || (Number.isInteger(number) && number >= least && number <= MOST_CELLS);
    if (![values[name]].flat(2).every(isRight)) {
      return [name, `${word}: expected whole numbers from ${least} to ${MOST_CELLS}.`];
    }
  }
  const { padding, kernelSize } = geometry(values);
  const padded = values.size.map((n, axis) => n + padding[axis][0] + padding[axis][1]);
  const by = ([rows, columns]) => `${rows} \u00d7 ${columns}`;
  if (padded.some((n, axis) => n < kernelSize[axis])) {
    return ["kernel_size", `The kernel, ${by(kernelSize)}, does not fit into the image with its `
      + `padding, ${by(padded)}: use a smaller kernel or more padding.`];
  }
  if (padded.every((n) => n <= MOST_CELLS)) return null;
  return ["size", `The image with its padding, ${by(padded)}, is too large to be shown: at most `
    + `${MOST_CELLS} rows and columns.`];
}

// ---- controls ---------------------------------------------------------------------------------

// Two number fields with one name: "Stride [2] × [2]".
class PairField {
  constructor(label, names, least, onInput) {
    this.inputs = names.map((name) => element("input", {
      type: "number", min: least, max: MOST_CELLS, step: 1, inputmode: "numeric",
      class: "cnn-number", "aria-label": `${label} ${name}`, autocomplete: "off",
    }));
    this.inputs.forEach((input) => input.addEventListener("input", onInput));
    const [first, second] = this.inputs;
    const pair = element("span", { class: "cnn-pair" }, [first, "\u00d7", second]);
    this.node = element("span", { class: "cnn-choice", role: "group", "aria-label": label },
      [label, pair]);
  }

  read() {
    return this.inputs.map((input) => (input.value.trim() === "" ? NaN : Number(input.value)));
  }

  draw(values) {
    this.inputs.forEach((input, k) => {
      if (Number(input.value) !== values[k] || input.value === "") input.value = values[k];
    });
  }

  complain(wrong) {
    this.inputs.forEach((input) => input.setAttribute("aria-invalid", String(wrong)));
  }
}

// "valid", "same", "number" (one number an axis) or "sides" (four different ones, set in Python).
function kindOfPadding(padding) {
  if (typeof padding === "string") return padding;
  const { padding: sides } = resolveWindows([1, 1], [1, 1], 1, padding);
  return sides.every(([before, after]) => before === after) ? "number" : "sides";
}

// All sizes as fields: what stands in them is shown as soon as all of it can be shown.
class SizeForm {
  constructor(model, walk) {
    const [axes, ways] = [["rows", "columns"], ["down", "across"]];
    const commit = () => this.commit();
    Object.assign(this, { model, walk });
    this.fields = {
      size: new PairField("Image", axes, 1, commit),
      kernel_size: new PairField("Kernel", axes, 1, commit),
      stride: new PairField("Stride", ways, 1, commit),
      padding: new PairField("Zeros", ["above and below", "left and right"], 0, commit),
    };
    this.choice = new Choice("Padding", (kind) => this.choosePadding(kind));
    this.warning = element("p", { class: "cnn-warning", role: "alert" });
    const { size, kernel_size: kernel, stride, padding } = this.fields;
    this.padded = [this.choice.node, padding.node]; // beside the buttons
    this.node = element("div", { class: "cnn-controls cnn-second" },
      [size, kernel, stride].map((field) => field.node));
  }

  choosePadding(kind) {
    const { padding } = this.fields;
    padding.node.hidden = kind !== "number";
    if (kind === "number" && padding.read().some(Number.isNaN)) padding.draw([1, 1]);
    this.commit();
  }

  read() {
    const { size, kernel_size: kernel, stride, padding } = this.fields;
    const kind = JSON.parse(this.choice.select.value);
    const known = { valid: "valid", same: "same", sides: this.model.get("padding") };
    return { size: size.read(), kernel_size: kernel.read(), stride: stride.read(),
      padding: known[kind] ?? padding.read() };
  }

  commit() {
    const values = this.read();
    const found = complaint(values);
    this.complain(found);
    if (!found) this.walk.set(values);
  }

  complain(found) {
    const shown = found ? `\u26a0 ${found[1]} The picture shows the last sizes that work.` : "";
    if (this.warning.textContent !== shown) this.warning.textContent = shown;
    this.warning.hidden = !found;
    Object.entries(this.fields).forEach(([name, field]) => field.complain(found?.[0] === name));
  }

  draw() {
    const values = valuesOf(this.model);
    const { padding } = geometry(values);
    const kind = kindOfPadding(values.padding);
    ["size", "kernel_size", "stride"].forEach((name) =>
      this.fields[name].draw(asPair(values[name])));
    const options = [["valid", "valid (none)"], ["same", "same"], ["number", "a number"]];
    this.choice.draw(kind === "sides" ? [...options, ["sides", "each side"]] : options, kind);
    this.fields.padding.node.hidden = kind !== "number";
    if (kind === "number") this.fields.padding.draw([padding[0][0], padding[1][0]]);
    this.complain(null);
  }
}

// ---- the view ---------------------------------------------------------------------------------

function initialize({ model }) {
  return new Walk(model, () => outputOf(model)).run();
}

function buildGrids() {
  const image = new NumberGrid({ label: "Image" });
  const output = new NumberGrid({ label: "Output", role: "grid" });
  output.body.tabIndex = 0;
  output.node.classList.add("cnn-own");
  const bands = ["", "cnn-upright"].map((kind) => element("div", {
    class: `cnn-dropped cnn-clear ${kind}`, "aria-hidden": "true",
  }, [element("span", { text: "dropped" })]));
  return { image, output, bands };
}

// Visits, the padding's hatch and the first cell of each window; returns the visits.
function drawImage(image, [rows, columns], inner, windows) {
  const { output, stride } = windows;
  const visits = countVisits([rows, columns], windows);
  const [H, W] = sizeOf(visits);
  image.draw(visits);
  image.title.textContent = `Image ${rows} \u00d7 ${columns}`
    + (H > rows || W > columns ? `, padded ${H} \u00d7 ${W}` : "");
  image.cells.forEach((line, i) => line.forEach((cell, j) => {
    const begins = i % stride[0] === 0 && i / stride[0] < output[0]
      && j % stride[1] === 0 && j / stride[1] < output[1];
    cell.classList.toggle("cnn-start", begins);
    cell.classList.toggle("cnn-border", !contains(inner, i, j));
  }));
  return visits;
}

// A band around the rows and one around the columns that the floor drops; their pixels are dotted,
// padding stays hatched.
function drawBands({ image, bands }, size, { kernelSize, stride, padding }) {
  const [H, W] = image.shape;
  const [down, across] = [0, 1].map((axis) =>
    droppedBy(size[axis], kernelSize[axis], stride[axis], padding[axis]));
  bands[0].hidden = down === 0;
  bands[1].hidden = across === 0;
  bands[0].style.gridArea = `${H - down + 1} / 1 / ${H + 1} / ${W + 1}`;
  bands[1].style.gridArea = `1 / ${W - across + 1} / ${H - down + 1} / ${W + 1}`;
  image.body.append(...bands);
  image.cells.forEach((line, i) => line.forEach((cell, j) =>
    cell.classList.toggle("cnn-out", i >= H - down || j >= W - across)));
}

// The output holds the numbers of the windows, in the order of the walk.
function drawOutput(output, [OH, OW], columns) {
  output.draw(Array.from({ length: OH }, (_, i) =>
    Array.from({ length: OW }, (__, j) => i * OW + j + 1)));
  output.body.classList.toggle("cnn-crowd", columns + OW > MOST_NUMBERED);
  output.cells.flat().forEach((cell) => cell.classList.add("cnn-plain"));
}

// How many rows and columns the stylesheet has to fit into its width and height.
function drawSizes(stage, [rows, columns], [outRows, outColumns]) {
  const widest = Math.max(columns, outColumns);
  const sizes = { "--beside": columns + outColumns, "--widest": widest, "--kernels": 0,
    "--kernel-columns": 0, "--signs": "5rem", "--tall": Math.max(rows, outRows),
    "--out-rows": outRows, "--out-columns": outColumns,
    "--least": widest > 11 ? "0.6rem" : "1.5rem" };
  Object.entries(sizes).forEach(([name, value]) => stage.style.setProperty(name, value));
}

function buildControls(walk, reset, form) {
  const keys = new Fold("Keys", [element("p", { class: "cnn-help", text: HELP })]);
  const play = button("Play", "Play", () => walk.toggle());
  const step = button("Step", "Step to the next window", () => walk.step());
  const again = button("Reset", "Reset to the beginning", reset);
  return { play, help: keys.panel, node: element("div", { class: "cnn-controls" },
    [play, step, again, ...form.padded, keys.button]) };
}

function render({ model, el }) {
  const walk = new Walk(model, () => outputOf(model));
  const beginning = { ...valuesOf(model), position: model.get("position") };
  const grids = buildGrids();
  const { image, output } = grids;
  const form = new SizeForm(model, walk);
  const controls = buildControls(walk, () => {
    walk.set({ ...beginning, playing: false });
    drawAll(); // also where only a field has to be put right
  }, form);
  const formulas = element("div", { class: "cnn-formulas", "aria-live": "polite" });
  const says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  const sign = element("div", { class: "cnn-sign", "aria-hidden": "true", text: "\u2192" });
  const working = element("div", { class: "cnn-working cnn-beside" }, [formulas, says]);
  const stage = element("div", { class: "cnn-stage" }, [image.node, sign, output.node, working]);
  const root = element("div", { class: "cnn-widget" }, [element("div", { class: "cnn-body" },
    [controls.node, form.node, controls.help, form.warning, stage])]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  el.append(root);

  const innerOf = ({ padding: [[top], [left]] }) => {
    const [rows, columns] = asPair(model.get("size"));
    return { row: top, column: left, rows, columns };
  };
  const drawPosition = () => {
    const windows = geometry(valuesOf(model));
    if (String(output.shape) !== String(windows.output)) return; // not drawn yet
    const [i, j] = walk.position;
    image.mark(windowAt(i, j, windows));
    output.mark({ row: i, column: j, rows: 1, columns: 1 });
    output.body.setAttribute("aria-activedescendant", output.cells[i]?.[j]?.id ?? "");
    says.setAttribute("aria-live", model.get("playing") ? "off" : "polite");
    says.textContent = sentence([i, j], windows, innerOf(windows));
  };
  const drawAll = () => {
    const windows = geometry(valuesOf(model));
    if (windows.output.some((size) => size < 1)) return; // between two changes of one update
    const size = asPair(model.get("size"));
    const visits = drawImage(image, size, innerOf(windows), windows);
    drawBands(grids, size, windows);
    drawOutput(output, windows.output, visits[0].length);
    drawSizes(stage, sizeOf(visits), windows.output);
    const lines = ["row", "column"].map((word, axis) => filledFormula(word, size[axis],
      windows.kernelSize[axis], windows.stride[axis], windows.padding[axis], windows.output[axis]));
    const missed = unseen(visits, innerOf(windows)) + droppedInWords(size, windows);
    formulas.replaceChildren(...[...lines, missed].map((text) => element("p", { text })));
    form.draw();
    drawPosition();
  };
  const drawPlay = () => {
    controls.play.textContent = model.get("playing") ? "Pause" : "Play";
    controls.play.setAttribute("aria-label", controls.play.textContent);
    drawPosition();
  };
  walk.listenToKeys(root, output.body);
  walk.listenToPointer(output.body);
  drawAll();
  drawPlay();
  const stops = [onTraits(model, SHAPING, drawAll), onTraits(model, ["position"], drawPosition),
    onTraits(model, ["playing"], drawPlay)];
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

export default { initialize, render };
