// The training player: the epochs of one run or two, scrubbed or played.
// cnn.js, grid.js and chart.js stand in front of this file.

const PLAY_MILLISECONDS = 900;
const RUN_LOOKS = [["var(--cnn-focus)", "circle"], ["var(--cnn-accent)", "square"]];
const HELP = "Move the slider, or point at an epoch in a curve. On the slider: arrow keys step, "
  + "Home and End go to the ends, space plays. Kernels: red above 0, blue below, one scale for all "
  + "epochs. Confusion matrix: rows are the true digits, columns what was read.";

// ---- runs: as in training_player.py -----------------------------------------------------------

function epochsOf(run) {
  return [...run.epochs, ...run.frames.map(({ epoch }) => epoch)];
}

function allEpochs(runs) {
  return [...new Set(runs.flatMap(epochsOf))].sort((a, b) => a - b);
}

// The last frame up to this epoch (the first one, where none is so early); null without frames.
function frameAt({ frames }, epoch) {
  const before = frames.filter((frame) => frame.epoch <= epoch);
  return (before.length ? before : frames.slice(0, 1)).reduce((last, frame) =>
    (last === null || frame.epoch > last.epoch ? frame : last), null);
}

function percent(share) {
  return `${(Math.floor(1000 * share + 0.5) / 10).toFixed(1)} %`;
}

function rightIn(confusion) {
  const total = confusion.flat().reduce((sum, count) => sum + count, 0);
  return [confusion.reduce((sum, row, k) => sum + row[k], 0), total];
}

// Loss and accuracy after this epoch, in words.
function numbersAt(run, epoch) {
  const last = Math.max(...epochsOf(run));
  const ended = epoch > last ? `ended after epoch ${last}, ` : "";
  const now = Math.min(epoch, last);
  const k = run.epochs.indexOf(now);
  if (k < 0) {
    const frame = frameAt(run, now);
    if (frame?.epoch !== now) return `${ended}no numbers`;
    const [right, total] = rightIn(frame.confusion);
    return `${ended}${percent(right / total)} of the images shown are right`;
  }
  const loss = run.loss[k] === null ? "not finite"
    : (Math.floor(1000 * run.loss[k] + 0.5) / 1000).toFixed(3);
  const heldOut = run.validation_accuracy[k] ?? null;
  return `${ended}loss ${loss}, accuracy ${percent(run.accuracy[k])}`
    + (heldOut === null ? "" : `, on held-out images ${percent(heldOut)}`);
}

export function sentence(runs, epoch) {
  const when = epoch === 0 ? "Before the training" : `After epoch ${epoch}`;
  return `${when}: ${runs.map((run) => `${run.name}: ${numbersAt(run, epoch)}`).join("; ")}.`;
}

// ---- pictures ---------------------------------------------------------------------------------

// Rows of numbers as pixels; colourOf(value) -> [r, g, b].
function pixelCanvas(rows, colourOf, attributes) {
  const [height, width] = sizeOf(rows);
  const canvas = element("canvas", { width, height, role: "img", ...attributes });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  rows.flat().forEach((value, k) => picture.data.set([...colourOf(value), 255], 4 * k));
  context.putImageData(picture, 0, 0);
  return canvas;
}

function thumbnail(run, index, label) {
  const [height, width] = run.size;
  const bytes = Uint8Array.from(atob(run.thumbnails[index]), (letter) => letter.charCodeAt(0));
  const rows = Array.from({ length: height }, (_, i) =>
    Array.from(bytes.subarray(i * width, (i + 1) * width)));
  return pixelCanvas(rows, (value) => [value, value, value], { "aria-label": label });
}

// The largest weight of a run, over all its frames: the scale of its kernels.
function largestWeight({ frames }) {
  const weights = frames.flatMap(({ kernels }) => (kernels ?? []).flat(2));
  return weights.reduce((top, weight) => Math.max(top, Math.abs(weight ?? 0)), 0) || 1;
}

// ---- one run: kernels, mistakes, confusion matrix ---------------------------------------------

class RunPanel {
  constructor(run) {
    Object.assign(this, { run, top: largestWeight(run) });
    const title = (name) => element("div", { class: "cnn-title", text: name });
    [this.kernels, this.mistakes] = ["cnn-player-kernels", "cnn-player-mistakes"].map((name) =>
      element("div", { class: name }));
    this.kernelTitle = title("");
    this.mistakeTitle = title("");
    this.table = element("table", { class: "cnn-grid cnn-player-confusion" });
    const pictures = element("div", {},
      [this.kernelTitle, this.kernels, this.mistakeTitle, this.mistakes]);
    this.name = element("div", { class: "cnn-player-name" });
    this.node = element("div", { class: "cnn-player-run" }, [element("div",
      { class: "cnn-player-parts" }, [element("div", {}, [this.name, this.table]), pictures])]);
    this.node.hidden = run.frames.length === 0;
  }

  draw(epoch) {
    const frame = frameAt(this.run, epoch);
    if (frame === null || frame === this.frame) return;
    this.frame = frame;
    this.drawKernels(frame);
    this.drawMistakes(frame);
    this.drawConfusion(frame.confusion);
  }

  drawKernels({ kernels }) {
    this.kernelTitle.hidden = kernels === null;
    const weights = (kernels ?? []).flat(2);
    const finite = weights.filter((weight) => weight !== null);
    const ends = [Math.min(...finite), Math.max(...finite)].map((v) => formatNumber(v, 2));
    this.kernelTitle.textContent = finite.length === 0 ? "First kernels: not finite"
      : `First kernels, ${ends[0]} to ${ends[1]}`;
    const colourOf = (weight) => (weight === null ? [128, 128, 128]
      : colourAt(RED_BLUE, (weight / this.top + 1) / 2));
    this.kernels.replaceChildren(...(kernels ?? []).map((rows, k) =>
      pixelCanvas(rows, colourOf, { "aria-label": `kernel ${k}` })));
  }

  drawMistakes({ mistakes }) {
    this.mistakeTitle.textContent = mistakes.length ? "Surest mistakes" : "No mistakes";
    this.mistakes.replaceChildren(...mistakes.map(([index, label, answer, share]) => {
      const sure = share === null ? "?" : `${Math.floor(100 * share + 0.5)} %`;
      const says = element("span", { text: `${label} as ${answer}` });
      const image = thumbnail(this.run, index, `image ${index}, a ${label}`);
      return element("div", { class: "cnn-player-mistake" },
        [image, says, element("span", { text: sure })]);
    }));
  }

  drawConfusion(confusion) {
    const [right, total] = rightIn(confusion);
    this.name.textContent = `${this.run.name}: ${right} of ${total} right`;
    this.table.style.setProperty("--letters", String(Math.max(...confusion.flat())).length);
    const head = (text, scope) => element("th", { scope, text });
    const first = element("tr", {}, [element("td", { class: "cnn-player-corner" }),
      ...confusion[0].map((_, j) => head(String(j), "col"))]);
    const lines = confusion.map((row, i) => {
      const sum = row.reduce((all, count) => all + count, 0) || 1;
      return element("tr", {}, [head(String(i), "row"), ...row.map((count, j) => {
        const cell = element("td", { text: String(count),
          class: i === j ? "cnn-player-right" : "" });
        cell.style.setProperty("--share", ((count / sum) ** 0.4).toFixed(3)); // rare ones show too
        cell.classList.toggle("cnn-player-none", count === 0);
        return cell;
      })]);
    });
    this.table.replaceChildren(
      element("caption", { class: "cnn-which", text: "Confusion matrix: true digit by answer" }), first,
      ...lines);
  }
}

// ---- curves -----------------------------------------------------------------------------------

function seriesOf(runs, measure, scale) {
  return runs.flatMap((run, k) => {
    const [ink, mark] = RUN_LOOKS[k];
    const points = (key) => run.epochs.map((epoch, at) =>
      [epoch, Number.isFinite(run[key][at]) ? scale * run[key][at] : null]);
    const own = { label: run.name, points: points(measure), ink, mark, dash: "" };
    const heldOut = { label: `${run.name}, held out`, points: points(`validation_${measure}`), ink,
      mark: mark === "circle" ? "triangle" : "cross", dash: "6 4" };
    return run[`validation_${measure}`].length ? [own, heldOut] : [own];
  });
}

function curve(runs, epoch, measure, scale, yLabel) {
  const epochs = allEpochs(runs);
  const hasTwoLines = runs.length > 1 && runs.some((run) => run[`validation_${measure}`].length);
  return drawChart({ width: 410, height: hasTwoLines ? 174 : 160,
    x: [epochs[0], Math.max(epochs.at(-1), epochs[0] + 1)],
    series: seriesOf(runs, measure, scale), cursor: epoch, xLabel: "epoch", yLabel, wholeX: true,
    title: `${yLabel} by epoch` });
}

// ---- the view ---------------------------------------------------------------------------------

// Sets the epoch; knows which one follows.
class Player {
  constructor(model) {
    this.model = model;
  }

  get epochs() {
    return allEpochs(this.model.get("runs"));
  }

  set(changes) {
    Object.entries(changes).forEach(([name, value]) => this.model.set(name, value));
    this.model.save_changes();
  }

  // The epoch after this one; null after the last.
  next() {
    return this.epochs.find((epoch) => epoch > this.model.get("epoch")) ?? null;
  }

  step() {
    this.set({ playing: false, epoch: this.next() ?? this.epochs[0] });
  }

  toggle() {
    this.set({ playing: !this.model.get("playing") });
  }

  // One timer a model, however many views show it; returns the function that ends it.
  run() {
    let timer = null;
    const tick = () =>
      this.set(this.next() === null ? { playing: false } : { epoch: this.next() });
    const listen = () => {
      clearInterval(timer);
      if (!this.model.get("playing")) return;
      if (this.next() === null) this.set({ epoch: this.epochs[0] });
      timer = setInterval(tick, PLAY_MILLISECONDS);
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
}

function initialize({ model }) {
  return new Player(model).run();
}

// The slider counts places in the list of epochs, which may have gaps.
function buildSlider(player, last) {
  const slider = element("input", { type: "range", min: 0, max: last, step: 1,
    class: "cnn-player-slider", "aria-label": "Epoch" });
  slider.addEventListener("input", () =>
    player.set({ playing: false, epoch: player.epochs[Number(slider.value)] }));
  slider.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    player.toggle();
  });
  return slider;
}

// Tap a curve or drag along it. Every epoch draws new curves: the place around them holds the
// pointer, or a finger would lose what it is on.
function listenToCurves(charts, player) {
  let held = null; // which of the curves
  const visit = (event) => {
    const at = charts.children[held].xAt(event.clientX);
    const near = player.epochs.reduce((best, epoch) =>
      (Math.abs(epoch - at) < Math.abs(best - at) ? epoch : best));
    if (near !== player.model.get("epoch")) player.set({ playing: false, epoch: near });
  };
  charts.addEventListener("pointerdown", (event) => {
    held = [...charts.children].indexOf(event.target.closest("svg.cnn-chart"));
    if (held < 0) return;
    charts.setPointerCapture(event.pointerId);
    visit(event);
  });
  charts.addEventListener("pointermove", (event) => {
    if (charts.hasPointerCapture(event.pointerId)) visit(event);
  });
}

function build(model, player) {
  const runs = model.get("runs");
  const beginning = model.get("epoch");
  const play = button("Play", "Play", () => player.toggle());
  const step = button("Step", "Step to the next epoch", () => player.step());
  const again = button("Reset", "Reset to the beginning",
    () => player.set({ playing: false, epoch: beginning }));
  const slider = buildSlider(player, player.epochs.length - 1);
  const count = element("span", { class: "cnn-player-count" });
  const keys = new Fold("Keys", [element("p", { class: "cnn-help", text: HELP })]);
  const controls = element("div", { class: "cnn-controls" }, [play, step, again,
    keys.button, element("label", { class: "cnn-player-scrub" }, [count, slider])]);
  const says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  const charts = element("div", { class: "cnn-player-charts" });
  listenToCurves(charts, player);
  const panels = runs.map((run) => new RunPanel(run));
  const body = element("div", { class: "cnn-body" }, [controls, keys.panel, says, charts,
    element("div", { class: "cnn-player-runs" }, panels.map(({ node }) => node))]);
  return { body, play, slider, count, says, charts, panels };
}

function render({ model, el }) {
  const player = new Player(model);
  const { body, play, slider, count, says, charts, panels } = build(model, player);
  const root = element("div", { class: "cnn-widget" }, [body]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);
  const draw = () => {
    const [runs, epoch, epochs] = [model.get("runs"), model.get("epoch"), player.epochs];
    slider.value = String(epochs.indexOf(epoch));
    slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
    count.textContent = `Epoch ${epoch} of ${epochs.at(-1)}`;
    charts.replaceChildren(curve(runs, epoch, "loss", 1, "loss"),
      curve(runs, epoch, "accuracy", 100, "accuracy (%)"));
    panels.forEach((panel) => panel.draw(epoch));
    says.setAttribute("aria-live", model.get("playing") ? "off" : "polite");
    says.textContent = sentence(runs, epoch);
  };
  const drawPlay = () => {
    play.textContent = model.get("playing") ? "Pause" : "Play";
    play.setAttribute("aria-label", play.textContent);
    says.setAttribute("aria-live", model.get("playing") ? "off" : "polite");
  };
  draw();
  drawPlay();
  const stops = [onTraits(model, ["epoch"], draw), onTraits(model, ["playing"], drawPlay)];
  return () => {
    stops.forEach((stop) => stop());
    root.remove();
  };
}

export default { initialize, render };
