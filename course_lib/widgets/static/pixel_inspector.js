// The pixel inspector: an image is an array x[n, c, i, j] of numbers; one pixel, one slice.
// cnn.js and grid.js stand in front of this file.

const AXES = ["n", "c", "i", "j"];
const AXIS_WORDS = ["image", "channel", "row", "column"];
const CHANNELS = { 1: ["grey"], 3: ["red", "green", "blue"] };
const MOST_PRINTED = 12; // rows or columns of a slice whose numbers are printed
const INSPECTOR_HELP = "Point at a pixel, tap it, or press the arrow keys on the picture; Home "
  + "goes to the first one. A slice is written as in NumPy: start:stop, stop not included.";

// ---- slices, with NumPy's rules and words -----------------------------------------------------

const WHOLE = /^[+-]?[0-9]{1,9}$/;
const RANGE = /^([+-]?[0-9]{1,9})? *: *([+-]?[0-9]{1,9})? *(?:: *([+-]?[0-9]{1,9})? *)?$/;

// Which indices start:stop:step takes of an axis, as Python's slice.indices says.
function indicesOf(start, stop, step, size) {
  if (step === 0) throw new RangeError("slice step cannot be zero");
  const back = step < 0;
  const [least, most] = back ? [-1, size - 1] : [0, size];
  const place = (value, missing) => {
    if (value === undefined) return missing;
    const number = Number(value) + (Number(value) < 0 ? size : 0);
    return Math.max(least, Math.min(most, number));
  };
  const [from, to] = [place(start, back ? most : least), place(stop, back ? least : most)];
  const count = Math.max(0, Math.ceil((to - from) / step));
  return Array.from({ length: count }, (_, k) => from + k * step);
}

// "0, :, 10:20, 5:15" -> for each axis {indices, kept}; throws RangeError with a message.
export function readSlice(text, shape) {
  const inside = text.trim().replace(/^x *\[(.*)\]$/, "$1");
  const parts = inside.split(",").map((part) => part.trim());
  if (parts.length > 1 && parts.at(-1) === "") parts.pop();
  const dots = parts.filter((part) => part === "...").length;
  if (dots > 1) throw new RangeError("an index can only have a single ellipsis ('...')");
  const written = parts.length - dots;
  if (written > shape.length) {
    throw new RangeError(`too many indices: the array has ${shape.length} axes, but ${written} `
      + "were indexed");
  }
  const missing = Array(shape.length - written).fill(":");
  const where = dots ? parts.indexOf("...") : parts.length;
  const all = [...parts.slice(0, where), ...missing, ...parts.slice(where + dots)];
  return all.map((part, axis) => {
    if (WHOLE.test(part)) {
      const [index, size] = [Number(part), shape[axis]];
      if (index < -size || index >= size) {
        throw new RangeError(`index ${index} is out of bounds for axis ${axis} (${AXES[axis]}) `
          + `with size ${size}`);
      }
      return { indices: [index < 0 ? index + size : index], kept: false };
    }
    const found = part.match(RANGE);
    if (!found) {
      throw new RangeError("expected a whole number or start:stop for axis "
        + `${axis} (${AXES[axis]}), got '${part}'`);
    }
    const [, start, stop, step] = found;
    return { indices: indicesOf(start, stop, Number(step ?? 1), shape[axis]), kept: true };
  });
}

// The numbers that a slice takes, in order.
export function takeSlice(x, [n, c, i, j]) {
  return n.indices.flatMap((a) => c.indices.flatMap((b) => i.indices.flatMap((row) =>
    j.indices.map((column) => x[a][b][row][column]))));
}

export function shapeText(sizes) {
  return `(${sizes.join(", ")}${sizes.length === 1 ? "," : ""})`;
}

// ---- words ------------------------------------------------------------------------------------

function unit(value) {
  return value.toFixed(3);
}

function bytes(value) {
  return String(Number((value * 255).toFixed(1)));
}

function sentence(x, n, channel, [i, j]) {
  const names = CHANNELS[x[0].length];
  const values = x[n].map((map) => map[i][j]);
  const told = values.length === 1 ? "" : ` (${names[channel]}); all three channels: `
    + `${values.map((value, c) => `${names[c]} ${unit(value)}`).join(", ")}`;
  return `x[${n}, ${channel}, ${i}, ${j}] = ${unit(values[channel])} from 0 to 1, or `
    + `${bytes(values[channel])} from 0 to 255${told}.`;
}

function sliceSentence(x, text, axes) {
  const kept = axes.map(({ indices, kept: isKept }, axis) =>
    [indices.length, AXIS_WORDS[axis], isKept]).filter(([, , isKept]) => isKept);
  const values = takeSlice(x, axes);
  const named = kept.map(([count, word]) => `${count} ${word}${count === 1 ? "" : "s"}`);
  const inside = text.trim().replace(/^x *\[(.*)\]$/, "$1");
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  if (kept.length === 0) return `x[${inside}] is one number: ${unit(values[0])}.`;
  return `x[${inside}] has the shape ${shapeText(kept.map(([count]) => count))}: `
    + `${named.join(" \u00d7 ")}, ${values.length} number${values.length === 1 ? "" : "s"}`
    + `${values.length ? `, mean ${unit(mean)}` : ": nothing is left"}.`;
}

// ---- pictures ---------------------------------------------------------------------------------

const grey = (value) => `rgb(${[1, 1, 1].map(() => Math.round(255 * value)).join(" ")})`;

// One channel as a small grey picture that can be pointed at.
class ChannelPicture {
  constructor(name, onPoint) {
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.frame = element("div", { class: "cnn-frame", "aria-hidden": "true" });
    this.name = element("span");
    this.node = element("button", { type: "button", class: "cnn-channel" },
      [element("span", { class: "cnn-film" }, [this.canvas, this.frame]), this.name]);
    Object.assign(this, { label: name });
    const visit = (event) => {
      const box = this.canvas.getBoundingClientRect();
      const place = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width]
        .map((part, axis) => Math.floor(part * this.shape[axis]));
      const isInside = place.every((k, axis) => k >= 0 && k < this.shape[axis]);
      const isKey = event.type === "click" && event.detail === 0;
      if (isInside || isKey) onPoint(isKey ? null : place);
    };
    this.node.addEventListener("click", visit);
    this.canvas.addEventListener("pointermove", visit);
  }

  draw(map) {
    this.shape = sizeOf(map);
    const [H, W] = this.shape;
    Object.assign(this.canvas, { width: W, height: H });
    const draw = this.canvas.getContext("2d");
    map.forEach((row, i) => row.forEach((value, j) => {
      draw.fillStyle = grey(value);
      draw.fillRect(j, i, 1, 1);
    }));
    this.canvas.style.aspectRatio = `${W} / ${H}`;
  }

  mark([i, j], value, isChosen) {
    const [H, W] = this.shape;
    this.node.setAttribute("aria-pressed", String(isChosen));
    this.name.textContent = `${this.label} ${unit(value)}`;
    Object.assign(this.frame.style, { left: `${((j + 0.5) / W) * 100}%`,
      top: `${((i + 0.5) / H) * 100}%` });
  }
}

// The picture as cells: grey with numbers where there is room, or the three channels together.
function drawPicture(grid, x, n) {
  const [maps, [H, W]] = [x[n], sizeOf(x[n][0])];
  grid.draw(maps[0].map((row) => row.map((value) => Math.round(value * 100) / 100)));
  grid.title.textContent = `x[${n}]: ${maps.length === 3 ? "3 channels, " : ""}${H} rows \u00d7 `
    + `${W} columns`;
  if (maps.length === 1) return;
  grid.cells.forEach((line, i) => line.forEach((cell, j) => {
    const rgb = maps.map((map) => Math.round(255 * map[i][j]));
    cell.style.backgroundColor = `rgb(${rgb.join(" ")})`;
    cell.style.color = luminance(rgb) > 0.179 ? "#000" : "#fff";
    cell.textContent = "";
    delete cell.dataset.text;
  }));
}

// Cells outside the slice are veiled; an unbroken window gets a dashed frame.
function drawSelection(grid, border, axes, n, channel) {
  const isHere = axes && axes[0].indices.includes(n) && axes[1].indices.includes(channel);
  const [rows, columns] = [2, 3].map((axis) => new Set(isHere ? axes[axis].indices : []));
  grid.cells.forEach((line, i) => line.forEach((cell, j) =>
    cell.classList.toggle("cnn-veiled", axes !== null && !(rows.has(i) && columns.has(j)))));
  const ends = [rows, columns].map((set) => [Math.min(...set), Math.max(...set)]);
  const isWhole = [rows, columns].every((set, axis) =>
    set.size > 0 && ends[axis][1] - ends[axis][0] + 1 === set.size);
  border.hidden = !isWhole;
  if (!isWhole) return;
  const [[top, bottom], [left, right]] = ends;
  border.style.gridArea = `${top + 1} / ${left + 1} / ${bottom + 2} / ${right + 2}`;
  grid.body.append(border);
}

// The numbers of a slice, as NumPy prints them, where they are few.
function printed(x, axes) {
  const [n, c, rows, columns] = axes.map(({ indices }) => indices);
  const isSmall = n.length === 1 && c.length === 1 && rows.length && columns.length
    && Math.max(rows.length, columns.length) <= MOST_PRINTED;
  if (!isSmall) return "";
  return rows.map((i) => columns.map((j) => x[n[0]][c[0]][i][j].toFixed(2)).join(" ")).join("\n");
}

// ---- the view ---------------------------------------------------------------------------------

function batchOf(image) {
  return image; // (N, C, H, W), as Python sends it
}

function buildReadout() {
  const entries = AXES.map((axis, k) => {
    const number = element("strong");
    const size = element("span");
    return { number, size, node: element("div", { class: "cnn-axis" },
      [element("span", { text: `${AXIS_WORDS[k]} ${axis}` }), number, size]) };
  });
  const swatch = element("div", { class: "cnn-swatch", "aria-hidden": "true" });
  const node = element("div", { class: "cnn-axes" }, [...entries.map((one) => one.node), swatch]);
  return { entries, swatch, node };
}

function render({ model, el }) {
  const names = ["position", "channel", "number", "slice"];
  const beginning = Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const set = (changes) => {
    const isNew = Object.entries(changes).some(([name, value]) =>
      String(value) !== String(model.get(name)));
    if (!isNew) return;
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    model.save_changes();
  };
  const grid = new NumberGrid({ label: "picture", role: "grid" });
  grid.body.tabIndex = 0;
  const border = element("div", { class: "cnn-frame cnn-dashed", "aria-hidden": "true" });
  const stage = element("div", { class: "cnn-picture" }, [grid.node]);
  const films = element("div", { class: "cnn-films", role: "group", "aria-label": "Channels" });
  const readout = buildReadout();
  const says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  const tabs = new Tabs("Image", (number) => set({ number }));
  const field = element("input", { class: "cnn-number cnn-slice", spellcheck: "false",
    autocapitalize: "off", autocomplete: "off", "aria-label": "Slice" });
  const whole = element("p", { class: "cnn-help" });
  const answer = element("p", { class: "cnn-answer", "aria-live": "polite" });
  const numbers = element("pre", { class: "cnn-printed" });
  const again = button("Reset", "Reset to the beginning", () => set(beginning));
  const keys = new Fold("Keys", [element("p", { class: "cnn-help", text: INSPECTOR_HELP })]);
  const side = element("div", { class: "cnn-side" }, [tabs.node, readout.node, says, films,
    element("div", { class: "cnn-controls" }, [element("label", { class: "cnn-choice",
      text: "Slice x[" }, [field, "]"]), again, keys.button]), keys.panel, answer, numbers]);
  const root = element("div", { class: "cnn-widget" }, [element("div", { class: "cnn-body" },
    [whole, element("div", { class: "cnn-inspector" }, [stage, side])])]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  el.append(root);

  let pictures = [];
  const now = () => {
    const x = batchOf(model.get("image"));
    const [H, W] = sizeOf(x[0][0]);
    const number = Math.min(model.get("number"), x.length - 1);
    const channel = Math.min(model.get("channel"), x[0].length - 1);
    return { x, number, channel, position: clampCell(model.get("position"), [H, W]),
      shape: [x.length, x[0].length, H, W] };
  };
  const drawSlice = () => {
    const { x, number, channel, shape } = now();
    const text = model.get("slice");
    if (field !== field.getRootNode().activeElement) field.value = text;
    let axes = null;
    let message = "";
    try {
      axes = text.trim() === "" ? null : readSlice(text, shape);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      message = `\u26a0 x[${text}]: ${error.message}.`;
    }
    field.setAttribute("aria-invalid", String(message !== ""));
    answer.textContent = message || (axes ? sliceSentence(x, text, axes) : "");
    numbers.textContent = axes ? printed(x, axes) : "";
    numbers.hidden = numbers.textContent === "";
    drawSelection(grid, border, axes, number, channel);
  };
  const drawPosition = () => {
    const { x, number, channel, position: [i, j], shape } = now();
    if (String(grid.shape) !== String(shape.slice(2))) return; // not drawn yet
    grid.mark({ row: i, column: j, rows: 1, columns: 1 });
    grid.body.setAttribute("aria-activedescendant", grid.cells[i][j].id);
    [number, channel, i, j].forEach((index, axis) => {
      readout.entries[axis].number.textContent = index;
      readout.entries[axis].size.textContent = `of ${shape[axis]}`;
    });
    const colours = x[number].length === 3 ? x[number] : [x[number][0], x[number][0], x[number][0]];
    readout.swatch.style.backgroundColor =
      `rgb(${colours.map((map) => Math.round(255 * map[i][j])).join(" ")})`;
    pictures.forEach((picture, c) =>
      picture.mark([i, j], x[number][c][i][j], c === channel));
    says.textContent = sentence(x, number, channel, [i, j]);
  };
  const drawAll = () => {
    const { x, number, shape } = now();
    whole.textContent = `x.shape = ${shapeText(shape)}: N = ${shape[0]} image`
      + `${shape[0] === 1 ? "" : "s"}, C = ${shape[1]} channel${shape[1] === 1 ? "" : "s"}, `
      + `H = ${shape[2]} rows, W = ${shape[3]} columns.`;
    stage.style.setProperty("--widest", Math.max(shape[2], shape[3]));
    drawPicture(grid, x, number);
    tabs.draw(x.length, number);
    films.hidden = shape[1] === 1;
    if (pictures.length !== shape[1]) {
      pictures = CHANNELS[shape[1]].map((name, c) => new ChannelPicture(name, (place) =>
        set(place ? { channel: c, position: place } : { channel: c })));
      films.replaceChildren(...pictures.map((picture) => picture.node));
    }
    pictures.forEach((picture, c) => picture.draw(x[number][c]));
    drawPosition();
    drawSlice();
  };
  root.addEventListener("keydown", (event) => event.stopPropagation());
  grid.body.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { position: [i, j], shape } = now();
    const by = event.key === "Home" ? [-i, -j] : WALK_KEYS[event.key];
    if (!by) return;
    set({ position: clampCell([i + by[0], j + by[1]], shape.slice(2)) });
    event.preventDefault();
  });
  const visit = (event) => {
    const cell = event.target.closest(".cnn-cell");
    if (cell) set({ position: [Number(cell.dataset.row), Number(cell.dataset.column)] });
  };
  ["pointerover", "click"].forEach((name) => grid.body.addEventListener(name, visit));
  field.addEventListener("input", () => set({ slice: field.value }));
  drawAll();
  const stops = [onTraits(model, ["image", "number"], drawAll),
    onTraits(model, ["position"], drawPosition), onTraits(model, ["slice"], drawSlice),
    onTraits(model, ["channel"], () => { drawPosition(); drawSlice(); })];
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

export default { render };
