// Drawing for the widgets: grids of numbers, colours, short decimals, small controls, the walk.
// Put between cnn.js and a view; knows nothing of convolution. The looks live in course.css.

const MOST_BELOW = 25; // the denominator of a fraction that is shown as one
let madeGrids = 0; // makes element ids unique on a page,
const COPY = Math.random().toString(36).slice(2, 10); // though JupyterLab loads a copy a widget

export function element(tag, attributes = {}, children = []) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

// ---- numbers ----------------------------------------------------------------------------------

// How many decimals, 0 to 2, show all these values truly (2 where nothing does).
export function decimalsFor(values) {
  const exact = (digits) => values.every((v) => Math.abs(v - Number(v.toFixed(digits))) < 1e-9);
  return [0, 1].find(exact) ?? 2;
}

export function formatNumber(value, digits) {
  const text = value.toFixed(Math.abs(value) >= 1000 ? 0 : digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
}

// As short as it is true to two decimals: "1", "0.5", "0.33".
export function trimmedNumber(value) {
  return formatNumber(value, decimalsFor([value]));
}

// "1/9" where two decimals are not the whole truth and a small fraction is; else trimmed.
export function fractionNumber(value) {
  const isWhole = (number) => Math.abs(number - Math.round(number))
    < 1e-9 * Math.max(1, Math.abs(number));
  if (isWhole(value * 100)) return trimmedNumber(value);
  for (let below = 3; below <= MOST_BELOW; below += 1) {
    if (isWhole(value * below)) return `${formatNumber(value * below, 0)}/${below}`;
  }
  return trimmedNumber(value);
}

// How wide a number is drawn, in widths of one letter m: a minus is wider than a digit.
function widthOf(text) {
  return [...text].reduce((sum, c) => sum + ({ ".": 0.33, "\u2212": 0.84 }[c] ?? 0.64), 0);
}

// "-1,5", "−1.5" and "-3/2" are the number -1.5; anything that is not a finite number is null.
export function parseNumber(text) {
  const parts = text.replaceAll("\u2212", "-").replaceAll(",", ".").split("/");
  if (parts.length > 2 || parts.some((part) => part.trim() === "")) return null;
  const [above, below] = parts.map(Number);
  const value = above / (below ?? 1);
  return Number.isFinite(value) ? value : null;
}

// Could this become a number when more is typed? "-", "2/", ""
function isBegun(text) {
  return /^\s*[-\u2212]?\d*[.,]?\d*(\/\d*)?\s*$/.test(text);
}

// ---- colours ----------------------------------------------------------------------------------

// matplotlib's RdBu_r: blue is negative, almost white is zero, red is positive.
const RED_BLUE = [[5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240],
  [247, 247, 247], [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31]];
const GREY = [[0, 0, 0], [255, 255, 255]];
const HIDDEN = ["var(--cnn-button)", "var(--cnn-ink)"]; // paper and ink of a question mark

function colourAt(scale, fraction) {
  const place = Math.min(1, Math.max(0, fraction)) * (scale.length - 1);
  const low = Math.min(Math.floor(place), scale.length - 2);
  return scale[low].map((part, k) =>
    Math.round(part + (scale[low + 1][k] - part) * (place - low)));
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((part) => {
    const c = part / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// A function value -> [paper, ink]. Signed values get red and blue around 0, others grey.
export function colourScale(values, signed) {
  const top = Math.max(...values.map(Math.abs)) || 1;
  const low = Math.min(0, ...values);
  const high = Math.max(...values, 1);
  return (value) => {
    const rgb = signed ? colourAt(RED_BLUE, (value / top + 1) / 2)
      : colourAt(GREY, (value - low) / (high - low));
    return [`rgb(${rgb.join(" ")})`, luminance(rgb) > 0.179 ? "#000" : "#fff"];
  };
}

// ---- grids ------------------------------------------------------------------------------------

// A table of numbers with a frame that can be moved over it.
// options: label, signed (colours), role "table" or "grid" (a grid takes the keyboard),
//          edit(row, column, value): makes every cell an input; say(text): what is wrong there;
//          write(value): the text of a number.
export class NumberGrid {
  constructor({ label, signed = false, role = "table", edit = null, say = () => {},
    write = trimmedNumber }) {
    madeGrids += 1;
    Object.assign(this, { label, signed, role, edit, say, write });
    this.id = `cnn-grid-${COPY}-${madeGrids}`;
    this.title = element("div", { class: "cnn-title", id: `${this.id}-title` });
    this.body = element("div", {
      class: "cnn-grid", role, "aria-labelledby": `${this.id}-title`, id: this.id,
    });
    this.frame = element("div", { class: "cnn-frame", "aria-hidden": "true" });
    this.node = element("div", { class: "cnn-panel" }, [this.title, this.body]);
    this.shape = [0, 0];
  }

  // Draw `values`; cells outside `inner` ({row, column, rows, columns}) are padding, and where
  // `isHidden(row, column)` stands a question mark.
  draw(values, inner = null, isHidden = () => false) {
    const [rows, columns] = [values.length, values[0].length];
    if (rows !== this.shape[0] || columns !== this.shape[1]) this.build(rows, columns);
    const flat = values.flat();
    const scale = colourScale(flat, this.signed || flat.some((v) => v < 0));
    let widest = 1;
    values.forEach((row, i) => row.forEach((value, j) => {
      const isBorder = inner !== null && !contains(inner, i, j);
      const text = isBorder ? "0" : this.write(value);
      widest = Math.max(widest, widthOf(text));
      if (isHidden(i, j)) this.drawCell(i, j, "?", HIDDEN, false);
      else this.drawCell(i, j, text, scale(value), isBorder);
    }));
    this.body.style.setProperty("--text", Math.min(0.42, 0.84 / widest).toFixed(3));
    const size = inner ? [inner.rows, inner.columns] : [rows, columns];
    this.title.textContent = `${this.label} ${size[0]} \u00d7 ${size[1]}`;
  }

  build(rows, columns) {
    this.shape = [rows, columns];
    this.body.style.setProperty("--columns", columns);
    this.body.classList.toggle("cnn-many", columns > 11);
    this.body.classList.toggle("cnn-crowd", columns > 22);
    this.cells = Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_, j) => this.buildCell(i, j)));
    const lines = this.cells.map((cells) =>
      element("div", { class: "cnn-row", role: "row" }, cells));
    this.body.replaceChildren(...lines, this.frame);
  }

  buildCell(i, j) {
    const role = this.role === "grid" ? "gridcell" : "cell";
    const cell = element("div", { class: "cnn-cell", role, id: `${this.id}-${i}-${j}` });
    cell.style.gridArea = `${i + 1} / ${j + 1}`;
    Object.assign(cell.dataset, { row: i, column: j });
    if (this.edit) cell.append(this.buildInput(i, j));
    return cell;
  }

  buildInput(i, j) {
    const name = `${this.label} row ${i}, column ${j}`;
    const input = element("input", { "aria-label": name, autocomplete: "off" });
    const wrong = () => `Not a number: still using ${this.cells[i][j].dataset.text}.`;
    const check = () => {
      const value = parseNumber(input.value);
      input.setAttribute("aria-invalid", String(value === null));
      if (value !== null) this.edit(i, j, value);
      this.say(value !== null || isBegun(input.value) ? "" : wrong());
    };
    input.addEventListener("input", check);
    input.addEventListener("change", () =>
      this.say(parseNumber(input.value) === null ? wrong() : ""));
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => {
      input.removeAttribute("aria-invalid");
      input.value = this.cells[i][j].dataset.text;
    });
    return input;
  }

  drawCell(i, j, text, [paper, ink], isBorder) {
    const cell = this.cells[i][j];
    const input = cell.querySelector("input");
    cell.style.backgroundColor = paper;
    cell.style.color = ink;
    cell.classList.toggle("cnn-border", isBorder);
    if (cell.dataset.text === text) return;
    cell.dataset.text = text;
    if (!input) cell.textContent = text;
    else if (input !== input.getRootNode().activeElement) input.value = text;
  }

  // Put the thick frame around {row, column, rows, columns}.
  mark({ row, column, rows, columns }) {
    this.frame.style.gridArea = `${row + 1} / ${column + 1} / span ${rows} / span ${columns}`;
  }
}

export function contains({ row, column, rows, columns }, i, j) {
  return i >= row && i < row + rows && j >= column && j < column + columns;
}

// ---- controls ---------------------------------------------------------------------------------

export function button(text, label, onClick) {
  const node = element("button", { type: "button", class: "cnn-button", text });
  node.setAttribute("aria-label", label);
  node.addEventListener("click", onClick);
  return node;
}

// A labelled list of choices: [[value, text], …]; values are compared as JSON.
export class Choice {
  constructor(label, onChange) {
    this.select = element("select", { class: "cnn-select", "aria-label": label });
    this.node = element("label", { class: "cnn-choice", text: `${label} ` }, [this.select]);
    this.select.addEventListener("change", () => onChange(JSON.parse(this.select.value)));
  }

  // `possible(value)` greys out what cannot work now; an unlisted current value is added.
  draw(options, current, possible = () => true) {
    const chosen = JSON.stringify(current);
    const listed = options.some(([value]) => JSON.stringify(value) === chosen);
    const all = listed ? options : [...options, [current, String(current).replaceAll(",", ", ")]];
    this.select.replaceChildren(...all.map(([value, text]) => element("option", {
      value: JSON.stringify(value), text, disabled: !possible(value),
    })));
    this.select.value = chosen;
  }
}

// A button that unfolds a panel, for what is not always wanted; put both nodes where they belong.
export class Fold {
  constructor(label, nodes) {
    madeGrids += 1;
    const id = `cnn-fold-${COPY}-${madeGrids}`;
    this.panel = element("div", { class: "cnn-folded", id }, nodes);
    this.button = button("", label, () => this.open(this.panel.hidden));
    this.button.classList.add("cnn-fold");
    this.button.setAttribute("aria-controls", id);
    this.open(false);
  }

  open(isOpen) {
    this.panel.hidden = !isOpen;
    this.button.setAttribute("aria-expanded", String(isOpen));
    const label = this.button.getAttribute("aria-label");
    this.button.textContent = `${label} ${isOpen ? "\u25be" : "\u25b8"}`;
  }
}

// A labelled box to tick.
export class Switch {
  constructor(label, onChange) {
    this.input = element("input", { type: "checkbox" });
    this.node = element("label", { class: "cnn-switch" }, [this.input, label]);
    this.input.addEventListener("change", () => onChange(this.input.checked));
  }

  draw(isOn) {
    this.input.checked = isOn;
  }
}

// One of `count` numbered sheets: radio buttons, so that arrows and screen readers know them.
export class Tabs {
  constructor(label, onChange) {
    madeGrids += 1;
    Object.assign(this, { label, onChange, name: `cnn-tabs-${COPY}-${madeGrids}`, inputs: [] });
    this.node = element("div", { class: "cnn-tabs", role: "radiogroup", "aria-label": label });
  }

  draw(count, current) {
    this.node.hidden = count === 1;
    if (count !== this.inputs.length) this.build(count);
    this.inputs.forEach((input, k) => { input.checked = k === current; });
  }

  build(count) {
    this.inputs = Array.from({ length: count }, (_, k) => {
      const input = element("input", { type: "radio", name: this.name });
      input.setAttribute("aria-label", `${this.label} ${k}`);
      input.addEventListener("change", () => this.onChange(k));
      return input;
    });
    this.node.replaceChildren(`${this.label} `, ...this.inputs.map((input, k) =>
      element("label", { class: "cnn-tab" }, [input, String(k)])));
  }
}

// Calls `draw` when one of the traits changes; returns the function that stops it.
export function onTraits(model, traits, draw) {
  traits.forEach((name) => model.on(`change:${name}`, draw));
  return () => traits.forEach((name) => model.off(`change:${name}`, draw));
}

// ---- walking over an output, cell by cell: the traits `position` and `playing` of a view ------

export const WALK_MILLISECONDS = 700;
const WALK_KEYS = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
};

export function clampCell([i, j], [rows, columns]) {
  return [Math.max(0, Math.min(i, rows - 1)), Math.max(0, Math.min(j, columns - 1))];
}

// `outputOf()` says how many rows and columns there are now.
export class Walk {
  constructor(model, outputOf) {
    Object.assign(this, { model, outputOf });
  }

  get position() {
    return clampCell(this.model.get("position") ?? [0, 0], this.outputOf());
  }

  // Set traits together; the position follows into a smaller output.
  set(changes) {
    Object.entries(changes).forEach(([name, value]) => this.model.set(name, value));
    if (String(this.position) !== String(this.model.get("position"))) {
      this.model.set("position", this.position);
    }
    this.model.save_changes();
  }

  goTo(position) {
    this.set({ position: clampCell(position, this.outputOf()) });
  }

  // The next cell in reading order; null after the last one.
  next() {
    const [[rows, columns], [i, j]] = [this.outputOf(), this.position];
    if (j + 1 < columns) return [i, j + 1];
    return i + 1 < rows ? [i + 1, 0] : null;
  }

  step() {
    this.set({ playing: false, position: this.next() ?? [0, 0] });
  }

  toggle() {
    this.set({ playing: !this.model.get("playing") });
  }

  // One timer a model, however many views show it; returns the function that ends it.
  run() {
    let timer = null;
    const tick = () => this.set(this.next() ? { position: this.next() } : { playing: false });
    const listen = () => {
      clearInterval(timer);
      if (!this.model.get("playing")) return;
      if (this.next() === null) this.goTo([0, 0]);
      timer = setInterval(tick, WALK_MILLISECONDS);
    };
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still && this.model.get("playing")) this.set({ playing: false });
    listen();
    this.model.on("change:playing", listen);
    return () => {
      clearInterval(timer);
      this.model.off("change:playing", listen);
    };
  }

  // Arrows, Home, End, space on the grid; nothing typed in `root` reaches the notebook around it.
  listenToKeys(root, grid) {
    root.addEventListener("keydown", (event) => event.stopPropagation());
    grid.addEventListener("keydown", (event) => {
      const [i, j] = this.position;
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const by = WALK_KEYS[event.key];
      if (by) this.goTo([i + by[0], j + by[1]]);
      else if (event.key === "Home") this.goTo([0, 0]);
      else if (event.key === "End") this.goTo(this.outputOf().map((size) => size - 1));
      else if (event.key === " ") this.toggle();
      else return;
      event.preventDefault();
    });
  }

  // Hover or tap a cell of the grid.
  listenToPointer(grid) {
    const visit = (event) => {
      const cell = event.target.closest(".cnn-cell");
      if (!cell || (event.type === "pointerover" && this.model.get("playing"))) return;
      const position = [Number(cell.dataset.row), Number(cell.dataset.column)];
      if (String(position) !== String(this.model.get("position"))) {
        this.set({ position, playing: false });
      }
    };
    grid.addEventListener("pointerover", visit);
    grid.addEventListener("click", visit);
  }
}
