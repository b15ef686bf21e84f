// The sliding-kernel view: image, kernel and output grids, one window and its sum.
// cnn.js, grid.js and KERNELS (course_lib's ready-made kernels) stand in front of this file.

const STEP_MILLISECONDS = 700;
const MOST_TERMS = 25; // a longer sum is not written out
const ARROWS = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
};
const HELP = "Point at an output cell, tap it, or press the arrow keys. Space plays, Home goes "
  + "back to the first cell. Kernel cells can be edited.";

function geometry(model) {
  const [image, kernel] = [model.get("image"), model.get("kernel")];
  return resolveWindows(sizeOf(image), sizeOf(kernel), model.get("stride"), model.get("padding"));
}

function clamp([i, j], [rows, columns]) {
  return [Math.max(0, Math.min(i, rows - 1)), Math.max(0, Math.min(j, columns - 1))];
}

function set(model, changes) {
  Object.entries(changes).forEach(([name, value]) => model.set(name, value));
  model.save_changes();
}

function goTo(model, position) {
  set(model, { position: clamp(position, geometry(model).output) });
}

// The next cell in reading order; null after the last one.
function nextPosition(model) {
  const [rows, columns] = geometry(model).output;
  const [i, j] = clamp(model.get("position"), [rows, columns]);
  if (j + 1 < columns) return [i, j + 1];
  return i + 1 < rows ? [i + 1, 0] : null;
}

function step(model) {
  const next = nextPosition(model);
  if (next) set(model, { position: next });
  return next !== null;
}

function togglePlay(model) {
  set(model, { playing: !model.get("playing") });
}

// A choice of stride, padding or kernel keeps the position inside the new output.
function change(model, name, value) {
  const before = geometry(model).output;
  model.set(name, value);
  const after = geometry(model).output;
  if (String(before) !== String(after)) model.set("position", clamp(model.get("position"), after));
  model.save_changes();
}

// Is there an output at all with this stride, padding or kernel instead?
function fits(model, changes) {
  const now = { get: (name) => changes[name] ?? model.get(name) };
  return geometry(now).output.every((size) => size >= 1);
}

// "Output (1, 2) = 3×(−1) + 0×2 + … = −3."
function sentence([i, j], terms, sum) {
  const text = (value) => formatNumber(value, decimalsFor([value]));
  const isShownTruly = (value) => Math.abs(value - Number(value.toFixed(2))) < 1e-9;
  const exact = terms.flatMap((term) => [term.pixel, term.weight]).every(isShownTruly);
  const product = ({ pixel, weight }) =>
    `${text(pixel)}\u00d7${weight < 0 ? `(${text(weight)})` : text(weight)}`;
  const shown = terms.length > MOST_TERMS ? `the sum of ${terms.length} products`
    : terms.map(product).join(" + ");
  const equals = exact && isShownTruly(sum) ? "=" : "\u2248";
  return `Output (${i}, ${j}) = ${shown} ${equals} ${text(sum)}.`;
}

// One line a cell of the window: pixel × weight above, product below.
function drawProducts(node, terms, columns) {
  const digits = decimalsFor(terms.flatMap((term) => [term.pixel, term.weight]));
  const productDigits = decimalsFor(terms.map((term) => term.product));
  node.style.setProperty("--columns", columns);
  node.replaceChildren(...terms.map(({ pixel, weight, product }) => {
    const factors = `${formatNumber(pixel, digits)} \u00d7 ${formatNumber(weight, digits)}`;
    return element("div", { class: "cnn-product" }, [
      element("span", { class: "cnn-factors", text: factors }),
      element("span", { class: "cnn-value", text: formatNumber(product, productDigits) }),
    ]);
  }));
}

// How many columns the stylesheet has to fit side by side.
function drawSizes(stage, padded, kernel, output) {
  const sizes = {
    "--beside": padded + output, "--widest": Math.max(padded, output), "--kernel-columns": kernel,
    "--least": Math.max(padded, output) > 11 ? "0.6rem" : "1.75rem",
  };
  Object.entries(sizes).forEach(([name, value]) => stage.style.setProperty(name, value));
}

// ---- one timer a model, however many views show it --------------------------------------------

function initialize({ model }) {
  let timer = null;
  const tick = () => {
    if (!step(model)) set(model, { playing: false });
  };
  const listen = () => {
    clearInterval(timer);
    if (!model.get("playing")) return;
    if (nextPosition(model) === null) goTo(model, [0, 0]);
    timer = setInterval(tick, STEP_MILLISECONDS);
  };
  if (model.get("playing") && matchMedia("(prefers-reduced-motion: reduce)").matches) {
    set(model, { playing: false });
  }
  listen();
  const stop = onTraits(model, ["playing"], listen);
  return () => {
    clearInterval(timer);
    stop();
  };
}

// ---- the view ---------------------------------------------------------------------------------

function buildControls(model, beginning) {
  const play = button("Play", "Play", () => togglePlay(model));
  const controls = {
    play,
    kernel: new Choice("Kernel", (name) => name && change(model, "kernel", KERNELS[name])),
    stride: new Choice("Stride", (value) => change(model, "stride", value)),
    padding: new Choice("Padding", (value) => change(model, "padding", value)),
  };
  const stepOn = () => {
    model.set("playing", false);
    if (!step(model)) goTo(model, [0, 0]);
  };
  const reset = () => set(model, { ...beginning, playing: false });
  controls.node = element("div", { class: "cnn-controls" }, [
    play, button("Step", "Step to the next output cell", stepOn),
    button("Reset", "Reset to the beginning", reset),
    controls.kernel.node, controls.stride.node, controls.padding.node,
  ]);
  return controls;
}

function drawControls(model, controls) {
  const kernel = JSON.stringify(model.get("kernel"));
  const names = Object.keys(KERNELS).map((name) => [name, name]);
  const current = Object.keys(KERNELS).find((name) => JSON.stringify(KERNELS[name]) === kernel);
  controls.kernel.draw(current ? names : [["", "your own"], ...names], current ?? "",
    (name) => name === "" || fits(model, { kernel: KERNELS[name] }));
  controls.stride.draw([1, 2, 3].map((n) => [n, String(n)]), model.get("stride"));
  controls.padding.draw([[0, "0"], [1, "1"], [2, "2"], ["same", "same"]], model.get("padding"),
    (value) => fits(model, { padding: value }));
}

function drawPlaying(model, play) {
  const playing = Boolean(model.get("playing"));
  play.textContent = playing ? "Pause" : "Play";
  play.setAttribute("aria-label", playing ? "Pause" : "Play");
}

// Keys on the output grid; nothing typed in the widget reaches the notebook around it.
function listenToKeys(model, root, grid) {
  root.addEventListener("keydown", (event) => event.stopPropagation());
  grid.addEventListener("keydown", (event) => {
    const [i, j] = model.get("position");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) goTo(model, [i + ARROWS[event.key][0], j + ARROWS[event.key][1]]);
    else if (event.key === "Home") goTo(model, [0, 0]);
    else if (event.key === " ") togglePlay(model);
    else return;
    event.preventDefault();
  });
}

function listenToPointer(model, grid) {
  const visit = (event) => {
    const cell = event.target.closest(".cnn-cell");
    if (!cell || (event.type === "pointerover" && model.get("playing"))) return;
    const position = [Number(cell.dataset.row), Number(cell.dataset.column)];
    if (String(position) === String(model.get("position"))) return;
    set(model, { position, playing: false });
  };
  grid.addEventListener("pointerover", visit);
  grid.addEventListener("click", visit);
}

function render({ model, el }) {
  const editKernel = (u, v, value) => {
    const kernel = model.get("kernel").map((row) => [...row]);
    kernel[u][v] = value;
    set(model, { kernel });
  };
  const beginning = Object.fromEntries(
    ["image", "kernel", "stride", "padding", "position"].map((name) => [name, model.get(name)]));
  const image = new NumberGrid({ label: "Image" });
  const kernel = new NumberGrid({ label: "Kernel", signed: true, edit: editKernel });
  kernel.node.classList.add("cnn-kernel");
  const output = new NumberGrid({ label: "Output", signed: true, role: "grid" });
  output.body.tabIndex = 0;
  const controls = buildControls(model, beginning);
  const products = element("div", { class: "cnn-products", "aria-hidden": "true" });
  const says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  const sign = (text, kind = "") =>
    element("div", { class: `cnn-sign ${kind}`, "aria-hidden": "true", text });
  const stage = element("div", { class: "cnn-stage" },
    [image.node, sign("\u22c6", "cnn-star"), kernel.node, sign("="), output.node]);
  const working = element("div", { class: "cnn-working" }, [products, says]);
  const help = element("p", { class: "cnn-help", text: HELP });
  const body = element("div", { class: "cnn-body" }, [controls.node, stage, working, help]);
  const root = element("div", { class: "cnn-widget" }, [body]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  el.append(root);

  const drawPosition = () => {
    const windows = geometry(model);
    const [i, j] = clamp(model.get("position"), windows.output);
    const padded = pad(model.get("image"), windows.padding);
    const terms = windowTerms(padded, model.get("kernel"), i, j, windows);
    image.mark(windowAt(i, j, windows));
    output.mark({ row: i, column: j, rows: 1, columns: 1 });
    output.body.setAttribute("aria-activedescendant", output.cells[i][j].id);
    products.hidden = terms.length > MOST_TERMS;
    if (!products.hidden) drawProducts(products, terms, windows.kernelSize[1]);
    says.setAttribute("aria-live", model.get("playing") ? "off" : "polite");
    says.textContent = sentence([i, j], terms, sumOf(terms));
  };
  const drawAll = () => {
    const windows = geometry(model);
    if (windows.output.some((size) => size < 1)) return; // between two changes of one update
    const [[top], [left]] = windows.padding;
    const [rows, columns] = sizeOf(model.get("image"));
    const padded = pad(model.get("image"), windows.padding);
    const [KH, KW] = windows.kernelSize;
    image.draw(padded, { row: top, column: left, rows, columns });
    kernel.draw(model.get("kernel"));
    kernel.mark({ row: 0, column: 0, rows: KH, columns: KW });
    const { stride, padding } = windows;
    output.draw(correlate(model.get("image"), model.get("kernel"), stride, padding));
    drawSizes(stage, padded[0].length, KW, windows.output[1]);
    drawControls(model, controls);
    drawPosition();
  };
  const drawPlay = () => drawPlaying(model, controls.play);
  listenToKeys(model, root, output.body);
  listenToPointer(model, output.body);
  drawAll();
  drawPlay();
  const stops = [
    onTraits(model, ["image", "kernel", "stride", "padding"], drawAll),
    onTraits(model, ["position"], drawPosition),
    onTraits(model, ["playing"], drawPlay),
  ];
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

export default { initialize, render };
