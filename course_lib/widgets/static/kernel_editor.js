// The kernel editor: draw a kernel, turn it, see its response map; learned kernels beside designed
// ones; a window of the image as a matched filter. cnn.js and grid.js stand in front of this file.

const SIZES = [3, 5, 7]; // of a kernel, as in kernel_editor.py
const EDITOR_HELP = "Click a picture to take it. Kernel cells can be edited. Point at a cell of "
  + "the response, tap it, or press the arrow keys there; Home goes to the largest, marked with a "
  + "ring. A matched filter is the window minus its mean: the response is largest where the image "
  + "looks like it.";
const TOOLS_HELP = "mean 0: subtract the mean. scale: divide by the sum of absolute values. "
  + "normalised: window and kernel, each minus its mean and divided by its length; \u22121 to 1.";

// ---- kernels: the same operations as in kernel_editor.py --------------------------------------

// The cells of the ring at distance r from the middle, clockwise from its top left corner.
function ringOf(size, r) {
  const [first, last] = [(size - 1) / 2 - r, (size - 1) / 2 + r];
  const side = Array.from({ length: 2 * r }, (_, k) => k);
  return [...side.map((k) => [first, first + k]), ...side.map((k) => [first + k, last]),
    ...side.map((k) => [last, last - k]), ...side.map((k) => [last - k, first])];
}

// Turned clockwise by 45 degrees: each ring moves on by an eighth of itself; twice is exactly 90.
export function turnEighth(kernel) {
  const result = kernel.map((row) => [...row]);
  for (let r = 1; r <= (kernel.length - 1) / 2; r += 1) {
    const ring = ringOf(kernel.length, r);
    ring.forEach(([i, j], k) => {
      const [u, v] = ring[(k + r) % ring.length];
      result[u][v] = kernel[i][j];
    });
  }
  return result;
}

export function flipSign(kernel) {
  return kernel.map((row) => row.map((value) => (value === 0 ? 0 : -value)));
}

// Divided by the sum of its absolute values: responses to pixels from 0 to 1 stay in -1 to 1.
export function normalise(kernel) {
  const total = kernel.flat().reduce((sum, value) => sum + Math.abs(value), 0);
  return total === 0 ? kernel : kernel.map((row) => row.map((value) => value / total));
}

export function minusMean(window) {
  const values = window.flat();
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return window.map((row) => row.map((value) => value - mean));
}

export function windowOf(image, [i, j], size) {
  return image.slice(i, i + size).map((row) => row.slice(j, j + size));
}

// Another size around the same middle: zeros outside, or the outer rings cut off.
export function resize(kernel, size) {
  const move = (kernel.length - size) / 2;
  return Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (__, j) => kernel[i + move]?.[j + move] ?? 0));
}

function lengthOf(values) {
  return Math.sqrt(values.flat().reduce((sum, value) => sum + value * value, 0));
}

// Cross-correlation of window and kernel, both minus their mean, over both lengths: -1 to 1.
export function normalisedResponse(image, kernel) {
  const centred = minusMean(kernel);
  const length = lengthOf(centred);
  const [H, W] = sizeOf(image);
  const size = kernel.length;
  return Array.from({ length: H - size + 1 }, (_, i) =>
    Array.from({ length: W - size + 1 }, (__, j) => {
      const window = minusMean(windowOf(image, [i, j], size));
      const both = length * lengthOf(window);
      const sum = window.reduce((total, row, u) =>
        total + row.reduce((part, value, v) => part + value * centred[u][v], 0), 0);
      return both < 1e-9 ? 0 : sum / both;
    }));
}

function rectified(map) {
  return map.map((row) => row.map((value) => Math.max(0, value)));
}

export function responseOf(image, kernel, isNormalised, hasRelu) {
  const raw = isNormalised ? normalisedResponse(image, kernel) : correlate(image, kernel);
  return hasRelu ? rectified(raw) : raw;
}

// (row, column) of the largest value, the first row by row; nearly equal ones count as equal.
export function largestOf(map) {
  const top = Math.max(...map.flat());
  const i = map.findIndex((row) => row.some((value) => isEqual(value, top)));
  return [i, map[i].findIndex((value) => isEqual(value, top))];
}

// ---- small pictures that can be clicked -------------------------------------------------------

function thumbnail(map, signed, label, onClick) {
  const [H, W] = sizeOf(map);
  const canvas = element("canvas", { "aria-hidden": "true", width: W, height: H });
  const draw = canvas.getContext("2d");
  const scale = colourScale(map.flat(), signed);
  map.forEach((row, i) => row.forEach((value, j) => {
    [draw.fillStyle] = scale(value);
    draw.fillRect(j, i, 1, 1);
  }));
  const node = element("button", { type: "button", class: "cnn-thumb", "aria-label": label,
    title: label }, [canvas]);
  node.addEventListener("click", onClick);
  return node;
}

function gallery(label, thumbs) {
  const node = element("div", { class: "cnn-gallery", role: "group", "aria-label": label },
    [element("span", { class: "cnn-caption", text: label }), ...thumbs]);
  node.hidden = thumbs.length === 0;
  return node;
}

// ---- words ------------------------------------------------------------------------------------

function told(value) {
  return formatNumber(value, decimalsFor([value]));
}

function origin([from, row, column], image, largest, names) {
  if (from !== image) return `; the kernel was taken from image ${names[from]}`;
  return String([row, column]) === String(largest) ? ", where the kernel was taken from"
    : `; the kernel was taken from (${row}, ${column})`;
}

function sentence(view) {
  const { response, raw, position: [i, j], largest: [a, b], matched, image, relu, names } = view;
  const value = response[i][j];
  const before = relu && raw[i][j] < 0 ? ` (${told(raw[i][j])} before ReLU)` : "";
  const top = response[a][b];
  const where = `the largest is ${told(top)} at (${a}, ${b})`;
  const found = matched ? origin(matched, image, [a, b], names) : "";
  return `Response (${i}, ${j}) = ${told(value)}${before}; ${where}${found}.`;
}

// ---- the view ---------------------------------------------------------------------------------

function viewOf(model) {
  const images = model.get("images");
  const image = Math.min(model.get("image"), images.length - 1);
  const [pixels, kernel] = [images[image], model.get("kernel")];
  const [relu, isNormalised] = [model.get("relu"), model.get("normalised")];
  const raw = responseOf(pixels, kernel, isNormalised, false);
  const response = relu ? rectified(raw) : raw;
  return { image, pixels, kernel, raw, response, relu, isNormalised, names: model.get("names"),
    matched: model.get("matched"),
    position: clampCell(model.get("position"), sizeOf(response)), largest: largestOf(response) };
}

function render({ model, el }) {
  const names = ["image", "kernel", "relu", "normalised", "position", "matched"];
  const beginning = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const set = (changes) => {
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    const last = sizeOf(model.get("images")[model.get("image")])
      .map((n) => n - model.get("kernel").length + 1);
    const position = clampCell(model.get("position"), last);
    if (String(position) !== String(model.get("position"))) model.set("position", position);
    model.save_changes();
  };
  const setKernel = (kernel) => set({ kernel, matched: null });
  const current = () => model.get("kernel");

  const picture = new NumberGrid({ label: "Image" });
  const response = new NumberGrid({ label: "Response", signed: true, role: "grid" });
  response.body.tabIndex = 0;
  const edit = (i, j, value) => setKernel(current().map((row, u) =>
    row.map((old, v) => (u === i && v === j ? value : old))));
  const kernel = new NumberGrid({ label: "Kernel", signed: true, edit });
  kernel.node.classList.add("cnn-kernel");
  kernel.frame.hidden = true;
  const source = element("div", { class: "cnn-frame cnn-dashed", "aria-hidden": "true" });

  const size = new Choice("Size", (wanted) => setKernel(resize(current(), wanted)));
  const turns = [["45\u00b0", "Turn by 45\u00b0", (k) => turnEighth(k)],
    ["90\u00b0", "Turn by 90\u00b0", (k) => turnEighth(turnEighth(k))],
    ["\u00b1", "\u00b1 Flip the sign", flipSign],
    ["mean 0", "mean 0: subtract the mean", minusMean],
    ["scale", "scale: divide by the sum of absolute values", normalise]];
  const tools = turns.map(([text, label, change]) => {
    const node = button(text, label, () => setKernel(change(current())));
    node.classList.add("cnn-narrow");
    return node;
  });
  const match = button("Match this window",
    "Match this window: take it, minus its mean, as the kernel", () => {
      const { pixels, position, image } = viewOf(model);
      const window = minusMean(windowOf(pixels, position, current().length));
      set({ kernel: window, matched: [image, ...position] });
    });
  const relu = new Switch("ReLU", (isOn) => set({ relu: isOn }));
  const normalised = new Switch("normalised", (isOn) => set({ normalised: isOn }));
  const again = button("Reset", "Reset to the beginning", () => set(beginning));
  const keys = new Fold("Keys", [element("p", { class: "cnn-help", text: EDITOR_HELP })]);
  const says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  const galleries = element("div", { class: "cnn-galleries" });
  const middle = element("div", { class: "cnn-middle" }, [kernel.node,
    element("div", { class: "cnn-controls cnn-tools" }, [size.node, ...tools])]);
  const stage = element("div", { class: "cnn-bench" }, [picture.node, middle, response.node]);
  const root = element("div", { class: "cnn-widget" }, [element("div", { class: "cnn-body" },
    [galleries, stage, says, element("div", { class: "cnn-controls" },
      [match, relu.node, normalised.node, again, keys.button]), keys.panel,
    element("p", { class: "cnn-help cnn-tools-help", text: TOOLS_HELP })])]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  el.append(root);

  let view = null;
  let thumbs = { images: [], kernels: [] };
  const drawGalleries = () => {
    const [words, learned] = [model.get("names"), model.get("learned")];
    const images = model.get("images").map((pixels, k) => thumbnail(pixels, false,
      `Image ${words[k]}`, () => set({ image: k })));
    const take = (name, found) => [found, thumbnail(found, true, name, () => setKernel(found))];
    const designed = model.get("kernels").map(([name, found]) => take(name, found));
    const trained = learned.map((found, k) => take(`learned ${k}`, found));
    thumbs = { images, kernels: [...designed, ...trained] };
    galleries.replaceChildren(gallery("Image", images),
      gallery("Designed", designed.map(([, node]) => node)),
      gallery("Learned", trained.map(([, node]) => node)));
  };
  const drawPosition = () => {
    view = { ...view, position: clampCell(model.get("position"), sizeOf(view.response)) };
    const [[i, j], n] = [view.position, view.kernel.length];
    picture.mark({ row: i, column: j, rows: n, columns: n });
    response.mark({ row: i, column: j, rows: 1, columns: 1 });
    response.body.setAttribute("aria-activedescendant", response.cells[i][j].id);
    says.textContent = sentence(view);
  };
  const drawAll = () => {
    const n = model.get("kernel").length;
    if (sizeOf(model.get("images")[Math.min(model.get("image"), model.get("images").length - 1)])
      .some((length) => length < n)) return; // between two changes of one update
    view = viewOf(model);
    picture.draw(view.pixels);
    kernel.draw(view.kernel);
    response.draw(view.response);
    response.cells.forEach((line, i) => line.forEach((cell, j) =>
      cell.classList.toggle("cnn-winner", String([i, j]) === String(view.largest))));
    const [H, W] = sizeOf(view.pixels);
    stage.style.setProperty("--widest", Math.max(H, W));
    stage.style.setProperty("--kernel-columns", n);
    const { matched } = view;
    const isShown = matched !== null && matched[0] === view.image;
    source.hidden = !isShown;
    if (isShown) {
      const [, top, left] = matched;
      source.style.gridArea = `${top + 1} / ${left + 1} / span ${n} / span ${n}`;
      picture.body.append(source);
    }
    response.title.textContent = `${view.isNormalised ? "Normalised response" : "Response"}`
      + `${view.relu ? ", ReLU" : ""} ${sizeOf(view.response).join(" \u00d7 ")}`;
    size.draw(SIZES.map((k) => [k, `${k} \u00d7 ${k}`]), n, (k) => k <= Math.min(H, W));
    relu.draw(view.relu);
    normalised.draw(view.isNormalised);
    thumbs.images.forEach((node, k) => node.setAttribute("aria-pressed", String(k === view.image)));
    thumbs.kernels.forEach(([found, node]) =>
      node.setAttribute("aria-pressed", String(String(found) === String(view.kernel))));
    drawPosition();
  };
  root.addEventListener("keydown", (event) => event.stopPropagation());
  response.body.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { position: [i, j], largest } = view;
    const by = WALK_KEYS[event.key];
    if (event.key === "Home") set({ position: largest });
    else if (by) set({ position: clampCell([i + by[0], j + by[1]], sizeOf(view.response)) });
    else return;
    event.preventDefault();
  });
  const visit = (grid, toWindow) => ["pointerover", "click"].forEach((name) =>
    grid.body.addEventListener(name, (event) => {
      const cell = event.target.closest(".cnn-cell");
      if (!cell) return;
      const move = toWindow ? (view.kernel.length - 1) / 2 : 0; // the window around a pixel
      const place = clampCell([Number(cell.dataset.row) - move, Number(cell.dataset.column) - move],
        sizeOf(view.response));
      if (String(place) !== String(model.get("position"))) set({ position: place });
    }));
  visit(response, false);
  visit(picture, true);
  drawGalleries();
  drawAll();
  const stops = [onTraits(model, ["images", "names", "kernels", "learned"], () => {
    drawGalleries();
    drawAll();
  }), onTraits(model, ["image", "kernel", "relu", "normalised", "matched"], drawAll),
  onTraits(model, ["position"], drawPosition)];
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

export default { render };
