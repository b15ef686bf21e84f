// The pooling view: window, maximum or average, ties, and what a shift of the image leaves.
// cnn.js, grid.js and KERNELS (course_lib's ready-made kernels) stand in front of this file.

const MOST_VALUES = 25; // a larger window is not written out
const MOST_SIGNED = 28; // columns side by side: with more, a cell is too small for a sign
const SHAPING = ["image", "kind", "kernel_size", "stride", "shift", "compare"];
const HELP = "Point at a pooled cell or tap it. With keys: click the pooled map, then use the "
  + "arrow keys; Home and End go to the first and the last cell, space plays. Each press of an "
  + "arrow button shifts the image by one pixel; = marks a cell that kept its value, \u2260 one "
  + "that did not (in large maps, a corner).";
const STEPS = [["\u2190", "left", [0, -1]], ["\u2191", "up", [-1, 0]], ["\u2193", "down", [1, 0]],
  ["\u2192", "right", [0, 1]]];

function six(valueAt) {
  return Array.from({ length: 6 }, (_, i) => Array.from({ length: 6 }, (__, j) => valueAt(i, j)));
}
const IMAGES = {
  "one spot": six((i, j) => (i === 2 && j === 2 ? 9 : 0)),
  stripes: six((_, j) => (j % 2) * 9),
  "all equal": six(() => 4),
};

function geometry(model, changes = {}) {
  const now = (name) => changes[name] ?? model.get(name);
  return resolveWindows(sizeOf(now("image")), asPair(now("kernel_size")), now("stride"), 0);
}

function fits(model, changes) {
  return geometry(model, changes).output.every((size) => size >= 1);
}

function clampShift(shift, image) {
  return shift.map((by, axis) =>
    Math.max(1 - sizeOf(image)[axis], Math.min(by, sizeOf(image)[axis] - 1)));
}

// Both images, their pooled maps, and their convolutions in the image's size.
function maps(model) {
  const [image, shift] = [model.get("image"), model.get("shift")];
  const shifted = shiftImage(image, shift);
  const pooled = (x) => pool2d(x, model.get("kind"), model.get("kernel_size"), model.get("stride"));
  const edges = (x) => correlate(x, KERNELS["vertical edge"], 1, 1);
  return { before: [image, pooled(image), edges(image)],
    after: [shifted, pooled(shifted), edges(shifted)] };
}

// The rows and columns of a convolution that lie inside the border and also do so moved by `by`.
function comparedPart(map, by) {
  const ends = sizeOf(map).map((size, axis) =>
    [Math.max(1, 1 - by[axis]), Math.min(size - 1, size - 1 - by[axis])]);
  const [rows, columns] = ends.map(([first, end]) => Math.max(0, end - first));
  return { row: ends[0][0], column: ends[1][0], rows, columns };
}

// ---- words ------------------------------------------------------------------------------------

function about(values, value) { // "=" where everything is shown truly
  const exact = [...values, value].every((v) => Math.abs(v - Number(v.toFixed(2))) < 1e-9);
  return `${exact ? "=" : "\u2248"} ${trimmedNumber(value)}`;
}

// "the max of 5, 8, 7, 3 = 8", "(5 + 8 + 7 + 3) / 4 = 5.75", and how a tie is broken
function poolingInWords(kind, { value, terms, winner, equal }) {
  const values = terms.map((term) => term.value);
  const long = values.length > MOST_VALUES;
  if (kind === "average") {
    const sum = long ? `the sum of ${values.length} pixels`
      : `(${values.map(trimmedNumber).join(" + ")})`;
    return `${sum} / ${values.length} ${about(long ? [] : values, value)}`;
  }
  const ties = equal.length > 1 ? ` (${equal.length} equal; the first one wins)` : "";
  const shown = long ? `${values.length} pixels` : values.map(trimmedNumber).join(", ");
  return `max of ${shown} ${about([], value)}${ties}, from row ${winner.row}, `
    + `column ${winner.column}`;
}

// "1 down and 2 left"
function shiftInWords([down, right]) {
  const parts = [[down, "down", "up"], [right, "right", "left"]].filter(([by]) => by !== 0)
    .map(([by, forward, backward]) => `${Math.abs(by)} ${by > 0 ? forward : backward}`);
  return parts.join(" and ");
}

function areUnchanged([kept, all], name) {
  return `${kept} of ${all} ${name} ${kept === 1 ? "is" : "are"} unchanged`;
}

function countKept(before, after) {
  const flat = keptCells(before, after).flat();
  return [flat.filter(Boolean).length, flat.length];
}

function poolingCounted(before, after, shift, stride) {
  const nothing = before.flat().filter((v, k) => v === 0 && after.flat()[k] === 0).length;
  const are = nothing === 1 ? "is" : "are";
  const zeros = nothing > 0 ? ` (${nothing} of them ${are} 0 both times)` : "";
  const steps = shift.map((by, axis) => by / stride[axis]);
  const [equal, both] = movedCells(before, after, steps.map(Math.trunc));
  const moved = !steps.every(Number.isInteger) ? ""
    : " The shift is a whole number of strides: moved along with it, "
      + `${equal} of ${both} cells agree.`;
  return `Pooling, shifted ${shiftInWords(shift)}: `
    + `${areUnchanged(countKept(before, after), "pooled cells")}${zeros}.${moved}`;
}

function convolutionCounted(before, after, shift) {
  const inside = (map) => map.slice(1, -1).map((row) => row.slice(1, -1));
  const [equal, both] = movedCells(inside(before), inside(after), shift);
  const kept = areUnchanged(countKept(before, after), "cells");
  const moved = both === 0 ? "no cell is inside the border before and after the shift."
    : `moved by the same shift, ${equal} of ${both} cells inside the border (dashed) agree: `
      + (equal === both ? "the map moves with the image (equivariance)."
        : "the map does not simply move.");
  return `Convolution (vertical edge, padding 1): ${kept} in place; ${moved}`;
}

function hasLeft(image, shifted) {
  return image.flat().some((value) => value !== 0) && shifted.flat().every((value) => value === 0);
}

// ---- drawing ----------------------------------------------------------------------------------

function initialize({ model }) {
  return new Walk(model, () => geometry(model).output).run();
}

function buildGrids() {
  const grid = (label, role = "table") =>
    new NumberGrid({ label, role, signed: label === "Convolution" });
  const grids = {
    before: [grid("Image"), grid("Pooled", "grid"), grid("Convolution")],
    after: [grid("Shifted image"), grid("Pooled"), grid("Convolution")],
  };
  grids.before[1].body.tabIndex = 0;
  [grids.before[1], grids.after[1]].forEach((map) => map.node.classList.add("cnn-own"));
  [grids.before[2], grids.after[2]].forEach((map) => map.frame.classList.add("cnn-dashed"));
  return grids;
}

// Pooling before and after a shift side by side, and the convolutions below.
function buildStages({ before, after }) {
  const pair = ([image, pooled]) => element("div", { class: "cnn-side" }, [image.node,
    element("div", { class: "cnn-sign", "aria-hidden": "true", text: "\u2192" }), pooled.node]);
  const later = pair(after);
  return { later, pooling: element("div", { class: "cnn-stage" }, [pair(before), later]),
    convolution: element("div", { class: "cnn-stage" }, [before[2].node, after[2].node]) };
}

// Ring and sign on the maximum, a thin ring on its equals.
function markWinner(grid, { winner, equal }) {
  grid.cells.flat().forEach((cell) => {
    cell.classList.remove("cnn-winner", "cnn-tied");
    delete cell.dataset.badge;
  });
  equal.forEach(({ row, column }) => grid.cells[row][column].classList.add("cnn-tied"));
  if (!winner) return;
  const cell = grid.cells[winner.row][winner.column];
  cell.classList.replace("cnn-tied", "cnn-winner");
  cell.dataset.badge = "max";
}

// A dashed frame around what is compared, before and after the shift.
function markCompared(grids, before, [down, right]) {
  const part = comparedPart(before[2], [down, right]);
  const there = { ...part, row: part.row + down, column: part.column + right };
  [[grids.before[2], part], [grids.after[2], there]].forEach(([grid, place]) => {
    grid.frame.hidden = place.rows === 0 || place.columns === 0;
    if (!grid.frame.hidden) grid.mark(place);
  });
}

function markKept(grid, kept) {
  grid.cells.forEach((row, i) => row.forEach((cell, j) => {
    cell.dataset.sign = kept[i][j] ? "=" : "\u2260";
  }));
}

function buildControls(model, walk, beginning) {
  const change = (changes) => walk.set(changes);
  const controls = {
    play: button("Play", "Play", () => walk.toggle()),
    kind: new Choice("Pooling", (kind) => change({ kind })),
    window: new Choice("Window", (size) => change({ kernel_size: size })),
    stride: new Choice("Stride", (stride) => change({ stride })),
    image: new Choice("Image", (name) => show(IMAGES[name] ?? beginning.image)),
    compare: new Switch("compare with a convolution", (isOn) => change({ compare: isOn })),
    keys: new Fold("Keys", [element("p", { class: "cnn-help", text: HELP })]),
  };
  const show = (image) => change({ image, shift: clampShift(model.get("shift"), image) });
  const random = () => show(model.get("image").map((row) =>
    row.map(() => Math.floor(Math.random() * 10))));
  const move = ([down, right]) => {
    const [y, x] = model.get("shift");
    change({ shift: clampShift([y + down, x + right], model.get("image")) });
  };
  const arrows = STEPS.map(([arrow, name, by]) =>
    button(arrow, `Shift the image ${name} by one pixel`, () => move(by)));
  arrows.forEach((node) => node.classList.add("cnn-narrow"));
  controls.node = element("div", { class: "cnn-controls" }, [
    controls.play, button("Step", "Step to the next pooled cell", () => walk.step()),
    button("Reset", "Reset to the beginning", () => walk.set({ ...beginning, playing: false })),
    controls.kind.node, controls.window.node, controls.stride.node, controls.keys.button]);
  controls.shift = element("div", { class: "cnn-controls cnn-second", role: "group",
    "aria-label": "Shift the image" }, [element("span", { class: "cnn-choice", text: "Shift" }),
    ...arrows, button("None", "No shift", () => change({ shift: [0, 0] })),
    controls.image.node, button("New numbers", "New numbers in the image", random)]);
  return controls;
}

function drawControls(model, controls, beginning) {
  const sizes = [[1, 1], [2, 2], [3, 3], [4, 4]];
  const square = ([rows, columns]) => [[rows, columns], `${rows} \u00d7 ${columns}`];
  controls.compare.draw(Boolean(model.get("compare")));
  controls.kind.draw([["max", "max"], ["average", "average"]], model.get("kind"));
  controls.window.draw(sizes.slice(1).map(square), asPair(model.get("kernel_size")),
    (size) => fits(model, { kernel_size: size }));
  controls.stride.draw(sizes.map((size) => [size, String(size[0])]), asPair(model.get("stride")));
  const now = JSON.stringify(model.get("image"));
  const known = Object.keys(IMAGES).find((name) => JSON.stringify(IMAGES[name]) === now);
  const given = JSON.stringify(beginning.image) === now ? "as given" : "new numbers";
  const names = ["as given", ...Object.keys(IMAGES)].map((name) => [name, name]);
  controls.image.draw(names, known ?? given,
    (name) => !IMAGES[name] || fits(model, { image: IMAGES[name] }));
}

function render({ model, el }) {
  const walk = new Walk(model, () => geometry(model).output);
  const beginning = Object.fromEntries(
    [...SHAPING, "position"].map((name) => [name, model.get(name)]));
  const grids = buildGrids();
  const [image, pooled] = grids.before;
  const controls = buildControls(model, walk, beginning);
  const says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  const counts = element("div", { class: "cnn-formulas cnn-counts", "aria-live": "polite" });
  const compared = element("div", { class: "cnn-formulas", "aria-live": "polite" });
  const stages = buildStages(grids);
  const root = element("div", { class: "cnn-widget cnn-pooling" }, [
    element("div", { class: "cnn-body" }, [controls.node, controls.keys.panel, controls.shift,
      counts, stages.pooling, says, controls.compare.node, compared, stages.convolution])]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  el.append(root);

  const drawPosition = () => {
    const windows = geometry(model);
    const drawn = [image.shape, pooled.shape];
    if (String(drawn) !== String([sizeOf(model.get("image")), windows.output])) return; // not yet
    const [i, j] = walk.position;
    const kind = model.get("kind");
    const { before, after } = maps(model);
    const now = poolWindow(before[0], kind, i, j, windows);
    const later = poolWindow(after[0], kind, i, j, windows);
    [[grids.before, now], [grids.after, later]].forEach(([[source, target], found]) => {
      source.mark(windowAt(i, j, windows));
      target.mark({ row: i, column: j, rows: 1, columns: 1 });
      markWinner(source, found);
    });
    pooled.body.setAttribute("aria-activedescendant", pooled.cells[i]?.[j]?.id ?? "");
    const shifted = model.get("shift").some((by) => by !== 0) ? ` After the shift: `
      + `${poolingInWords(kind, later)}: `
      + `${isEqual(now.value, later.value) ? "unchanged" : "changed"}.` : "";
    says.setAttribute("aria-live", model.get("playing") ? "off" : "polite");
    says.textContent = `Output (${i}, ${j}) = ${poolingInWords(kind, now)}.${shifted}`;
  };
  const drawAll = () => {
    const windows = geometry(model);
    if (windows.output.some((size) => size < 1)) return; // between two changes of one update
    const { before, after } = maps(model);
    const shift = model.get("shift");
    const isShifted = shift.some((by) => by !== 0);
    const name = model.get("kind") === "max" ? "Max" : "Average";
    [grids.before[1].label, grids.after[1].label] = [name, `Its ${name.toLowerCase()}`];
    [[grids.before, before], [grids.after, after]].forEach(([row, values]) =>
      row.forEach((grid, k) => grid.draw(values[k])));
    const isCompared = Boolean(model.get("compare"));
    stages.later.hidden = !isShifted;
    stages.convolution.hidden = !isCompared;
    grids.after[2].node.hidden = !isShifted;
    drawSizes(stages, before);
    [1, 2].forEach((k) => markKept(grids.after[k], keptCells(before[k], after[k])));
    markCompared(grids, before, shift);
    const left = hasLeft(before[0], after[0])
      ? ["The pattern has left the image: press None."] : [];
    const lines = isShifted
      ? [...left, poolingCounted(before[1], after[1], shift, windows.stride)]
      : ["Shift the image by one pixel: how many pooled cells stay the same?"];
    const lower = isCompared && isShifted ? [convolutionCounted(before[2], after[2], shift)] : [];
    [[counts, lines], [compared, lower]].forEach(([node, all]) =>
      node.replaceChildren(...all.map((line) => element("p", { text: line }))));
    drawControls(model, controls, beginning);
    drawPosition();
  };
  const drawPlay = () => {
    controls.play.textContent = model.get("playing") ? "Pause" : "Play";
    controls.play.setAttribute("aria-label", controls.play.textContent);
    drawPosition();
  };
  walk.listenToKeys(root, pooled.body);
  walk.listenToPointer(pooled.body);
  drawAll();
  drawPlay();
  const stops = [onTraits(model, SHAPING, drawAll), onTraits(model, ["position"], drawPosition),
    onTraits(model, ["playing"], drawPlay)];
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

// How many rows and columns the stylesheet has to fit into its width and height; room for the
// shifted image is kept from the beginning, so that the first shift moves nothing.
function drawSizes(stages, [image, pooled]) {
  const [[rows, columns], [outRows, outColumns]] = [sizeOf(image), sizeOf(pooled)];
  const [widest, beside] = [Math.max(columns, outColumns), 2 * (columns + outColumns)];
  [[stages.pooling, beside, "9.5rem"], [stages.convolution, 2 * columns, "2.5rem"]].forEach(
    ([stage, wide, signs]) => {
      stage.classList.toggle("cnn-small", wide > MOST_SIGNED);
      const sizes = { "--beside": wide, "--widest": widest, "--kernels": 0, "--kernel-columns": 0,
        "--signs": signs, "--tall": Math.max(rows, outRows), "--side": columns + outColumns,
        "--out-rows": outRows, "--out-columns": outColumns,
        "--least": widest > 11 ? "0.6rem" : "1.5rem" };
      Object.entries(sizes).forEach(([name, value]) => stage.style.setProperty(name, value));
    });
}

export default { initialize, render };
