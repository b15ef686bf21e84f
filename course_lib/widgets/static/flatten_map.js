// The map of Flatten: which pixel of which map becomes which value of the vector; a dense unit's
// weights as pictures. Put between recipe.js (commas, product) and the shape tracer.

// ---- the map of Flatten -----------------------------------------------------------------------

// index = (channel * H + row) * W + column
export function indexOf([channel, row, column], [, H, W]) {
  return (channel * H + row) * W + column;
}

export function placeOf(index, [, H, W]) {
  return [Math.floor(index / (H * W)), Math.floor(index / W) % H, index % W];
}

// [C, H, W] of the first Flatten on feature maps; null without one.
export function flattened(rows) {
  const flatten = rows.find((row) => row.kind === "Flatten" && row.before.length === 3);
  return flatten ? flatten.before : null;
}

// Weights of some units from 16-bit numbers: [unit][index].
export function readWeights({ count, scale, values }) {
  const bytes = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const size = bytes.length / 2 / count;
  return Array.from({ length: count }, (_, unit) => Array.from({ length: size }, (__, k) =>
    view.getInt16(2 * (unit * size + k), true) * scale));
}

// How the maps are laid out: [columns, cell in pixels, gap], as large as width and height allow.
export function layOut([C, H, W], width, height) {
  const gap = C > 64 ? 1 : 4;
  const tried = Array.from({ length: C }, (_, k) => k + 1).map((columns) => {
    const rows = Math.ceil(C / columns);
    return [columns, Math.min(16, (width - gap * (columns - 1)) / (columns * W),
      (height - gap * (rows - 1)) / (rows * H)), gap];
  });
  return tried.reduce((best, one) => (one[1] > best[1] ? one : best));
}

const MOST_DRAWN = 40_000; // values of a flattened vector
const MAP_HEIGHT = [[500, 230], [800, 140], [Infinity, 90]]; // CSS pixels, below which width
const STRIP = 18; // its height
const LIGHT = [222, 235, 247];
const DEEP = [8, 81, 156];
const FLATTEN_KEYS = { ArrowLeft: [0, 0, -1], ArrowRight: [0, 0, 1], ArrowUp: [0, -1, 0],
  ArrowDown: [0, 1, 0], PageUp: [-1, 0, 0], PageDown: [1, 0, 0] };

class FlattenMap {
  constructor(model) {
    this.model = model;
    this.title = element("div", { class: "cnn-title" });
    this.stack = element("canvas");
    this.strip = element("canvas");
    const frame = () => element("div", { class: "cnn-frame", "aria-hidden": "true" });
    [this.frame, this.marker] = [frame(), frame()];
    this.maps = element("div", { class: "cnn-maps", role: "slider", tabindex: 0,
      "aria-label": "Index of the flattened vector", "aria-valuemin": 0 },
    [this.stack, this.frame]);
    this.vector = element("div", { class: "cnn-vector" }, [this.strip, this.marker]);
    this.fields = ["Index", "Channel", "Row", "Column"].map((label, k) => this.field(label, k));
    this.unit = new Choice("Weights of unit", (unit) => this.set({ unit }));
    this.says = element("p", { class: "cnn-sentence cnn-place", "aria-live": "polite" });
    this.picture = element("div", {}, [this.maps, this.vector]);
    this.node = element("div", { class: "cnn-flatten" }, [
      element("div", { class: "cnn-controls" },
        [this.title, ...this.fields.map((input) => element("label", { class: "cnn-choice",
          text: `${input.dataset.name} ` }, [input])), this.unit.node]),
      this.picture, this.says]);
    this.listen();
  }

  field(label, k) {
    const input = element("input", { type: "number", min: 0, step: 1, inputmode: "numeric",
      class: "cnn-number", "data-name": label, autocomplete: "off" });
    input.addEventListener("input", () => {
      const value = Number(input.value);
      const isRight = input.value.trim() !== "" && Number.isInteger(value) && value >= 0
        && value <= Number(input.max);
      input.setAttribute("aria-invalid", String(!isRight));
      if (!isRight) return;
      const place = placeOf(this.index, this.shape);
      if (k > 0) place[k - 1] = value;
      this.set({ index: k === 0 ? value : indexOf(place, this.shape) });
    });
    input.addEventListener("blur", () => this.drawFields(true));
    return input;
  }

  set(changes) {
    Object.entries(changes).forEach(([name, value]) => this.model.set(name, value));
    this.model.save_changes();
  }

  get index() {
    return Math.min(this.model.get("index"), this.size - 1);
  }

  listen() {
    this.maps.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const place = placeOf(this.index, this.shape);
      const by = FLATTEN_KEYS[event.key];
      if (event.key === "Home") this.set({ index: 0 });
      else if (event.key === "End") this.set({ index: this.size - 1 });
      else if (event.key === "ArrowLeft") this.set({ index: Math.max(0, this.index - 1) });
      else if (event.key === "ArrowRight") {
        this.set({ index: Math.min(this.size - 1, this.index + 1) });
      } else if (by) {
        const moved = place.map((n, axis) =>
          Math.max(0, Math.min(n + by[axis], this.shape[axis] - 1)));
        this.set({ index: indexOf(moved, this.shape) });
      } else return;
      event.preventDefault();
    });
    const point = (node, find) => ["pointermove", "pointerdown"].forEach((name) =>
      node.addEventListener(name, (event) => {
        const box = node.getBoundingClientRect();
        const scale = box.width / node.clientWidth || 1; // a deck makes it larger or smaller
        const index = find((event.clientX - box.left) / scale, (event.clientY - box.top) / scale);
        if (index !== null && index !== this.model.get("index")) this.set({ index });
      }));
    point(this.stack, (x, y) => this.indexAt(x, y));
    point(this.strip, (x) => {
      const index = Math.floor((x / this.strip.clientWidth) * this.size);
      return Math.max(0, Math.min(this.size - 1, index));
    });
  }

  // The index under a point of the stack; null between the maps.
  indexAt(x, y) {
    const [C, H, W] = this.shape;
    const [columns, cell, gap] = this.layout;
    const [across, down] = [W * cell + gap, H * cell + gap];
    const channel = Math.floor(y / down) * columns + Math.floor(x / across);
    const [row, column] = [Math.floor((y % down) / cell), Math.floor((x % across) / cell)];
    const isInside = x >= 0 && y >= 0 && row < H && column < W && channel < C
      && Math.floor(x / across) < columns;
    return isInside ? indexOf([channel, row, column], this.shape) : null;
  }

  // Left, top of a place in the stack.
  cornerOf([channel, row, column]) {
    const [, H, W] = this.shape;
    const [columns, cell, gap] = this.layout;
    return [(channel % columns) * (W * cell + gap) + column * cell,
      Math.floor(channel / columns) * (H * cell + gap) + row * cell];
  }

  // The weights of the chosen unit, where they belong to the network in view.
  chosenWeights() {
    const weights = this.model.get("weights");
    if (!weights || String(weights.shape) !== String(this.shape)) return null;
    if (this.read?.values !== weights.values) {
      this.read = { values: weights.values, units: readWeights(weights) };
    }
    const unit = Math.min(this.model.get("unit"), weights.count - 1);
    return { unit, weights, values: this.read.units[unit] };
  }

  draw(rows) {
    this.shape = flattened(rows);
    this.node.hidden = this.shape === null;
    if (!this.shape) return;
    this.size = Number(product(this.shape));
    this.title.textContent = `Flatten: ${this.shape.join("\u00d7")} \u2192 ${commas(this.size)}`;
    const limits = [this.size, ...this.shape];
    this.fields.forEach((input, k) => { input.max = limits[k] - 1; });
    this.maps.setAttribute("aria-valuemax", this.size - 1);
    this.drawPicture();
  }

  drawPicture() {
    if (!this.shape) return;
    this.picture.hidden = this.size > MOST_DRAWN;
    const chosen = this.chosenWeights();
    this.unit.node.hidden = chosen === null;
    if (chosen) {
      const { weights: { count }, unit } = chosen;
      this.unit.draw(Array.from({ length: count }, (_, k) => [k, String(k)]), unit);
    }
    if (!this.picture.hidden) this.paint(chosen);
    this.drawIndex();
  }

  paint(chosen) {
    const width = this.node.clientWidth || 300;
    this.layout = layOut(this.shape, width, MAP_HEIGHT.find(([below]) => width < below)[1]);
    const [columns, cell, gap] = this.layout;
    const [C, H, W] = this.shape;
    const lines = Math.ceil(C / columns);
    const scale = chosen && colourScale(chosen.values, true);
    const colour = (k) => (scale ? scale(chosen.values[k])[0]
      : `rgb(${LIGHT.map((part, n) => part + ((DEEP[n] - part) * k) / this.size).join(" ")})`);
    const draw = context(this.stack, columns * (W * cell + gap) - gap,
      lines * (H * cell + gap) - gap);
    const onStrip = context(this.strip, width, STRIP);
    for (let k = 0; k < this.size; k += 1) {
      const [x, y] = this.cornerOf(placeOf(k, this.shape));
      draw.fillStyle = colour(k);
      draw.fillRect(x, y, cell + 0.3, cell + 0.3);
      onStrip.fillStyle = draw.fillStyle;
      onStrip.fillRect((k / this.size) * width, 0, width / this.size + 0.5, STRIP);
    }
    for (let c = 1; c < C && C < width / 4; c += 1) {
      onStrip.clearRect((c / C) * width - 1, 0, 2, STRIP);
    }
  }

  drawFields(isForced) {
    const place = placeOf(this.index, this.shape);
    [this.index, ...place].forEach((value, k) => {
      const input = this.fields[k];
      if (!isForced && input === input.getRootNode().activeElement
        && Number(input.value) === value && input.value !== "") return;
      input.value = value;
      input.setAttribute("aria-invalid", "false");
    });
  }

  drawIndex() {
    if (!this.shape) return;
    const [index, [, H, W], place] = [this.index, this.shape, placeOf(this.index, this.shape)];
    const [c, i, j] = place;
    this.drawFields(false);
    const chosen = this.chosenWeights();
    const text = `Index ${index} is x[n, ${place.join(", ")}]: channel ${c}, row ${i}, column `
      + `${j}, because (${c}\u00b7${H} + ${i})\u00b7${W} + ${j} = ${index}.`
      + (chosen ? ` Unit ${chosen.unit} multiplies it by ${decimal(chosen.values[index])}.` : "");
    this.says.textContent = text + (this.picture.hidden ? " Too many values to be drawn." : "");
    this.maps.setAttribute("aria-valuenow", index);
    this.maps.setAttribute("aria-valuetext", `${index}: channel ${c}, row ${i}, column ${j}`);
    if (this.picture.hidden) return;
    const [x, y] = this.cornerOf(place);
    const [, cell] = this.layout;
    const side = Math.max(cell + 6, 11);
    Object.assign(this.frame.style, { left: `${x + cell / 2 - side / 2}px`,
      top: `${y + cell / 2 - side / 2}px`, width: `${side}px`, height: `${side}px` });
    this.marker.style.left = `${((index + 0.5) / this.size) * 100}%`;
  }
}

function decimal(value) {
  return String(Number(value.toPrecision(3))).replace("-", "\u2212");
}

// A canvas of this size in CSS pixels, sharp on any screen.
function context(canvas, width, height) {
  const sharp = devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.round(width * sharp), height: Math.round(height * sharp) });
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const draw = canvas.getContext("2d");
  draw.scale(sharp, sharp);
  return draw;
}
