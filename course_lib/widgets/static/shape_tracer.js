// The shape tracer: a network's text, its layers as blocks with shapes, parameters and FLOPs, and
// the map of Flatten. cnn.js, grid.js, recipe.js and flatten_map.js stand in front of this file.

// ---- the text, with its line numbers ----------------------------------------------------------

// Behind the text lies a copy of it, line by line: where a long line wraps, the numbers beside it
// move apart as far.
class Editor {
  constructor(onInput, label) {
    this.area = element("textarea", { class: "cnn-source", spellcheck: "false",
      autocapitalize: "off", autocomplete: "off", "aria-label": label });
    this.warning = element("p", { class: "cnn-warning", role: "alert",
      id: `cnn-wrong-${COPY}-${madeGrids += 1}` });
    this.lines = element("div", { class: "cnn-lines" }, [this.area]);
    this.box = element("div", { class: "cnn-editor" }, [this.lines]);
    this.node = element("div", { class: "cnn-text" }, [this.box, this.warning]);
    this.area.addEventListener("input", () => onInput(this.area.value));
  }

  // `wrong` is a ConfigError or null; `line` the line of the layer in view.
  draw(text, wrong, line) {
    if (this.area.value !== text) this.area.value = text;
    this.lines.querySelectorAll("div").forEach((node) => node.remove());
    this.lines.prepend(...text.split(/\r\n|\r|\n/).flatMap((words, k) => {
      const isWrong = wrong?.line === k + 1;
      const node = element("div", { class: "cnn-line", "aria-hidden": "true",
        text: isWrong ? `\u26a0 ${k + 1}` : k + 1 });
      node.classList.toggle("cnn-wrong", isWrong);
      node.classList.toggle("cnn-here", !wrong && line === k + 1);
      return [node, element("div", { class: "cnn-copy", "aria-hidden": "true", text: words })];
    }));
    const shownText = wrong ? `\u26a0 ${wrong.message} The table shows the last network that works.`
      : "";
    if (this.warning.textContent !== shownText) this.warning.textContent = shownText;
    this.warning.hidden = !wrong;
    this.area.setAttribute("aria-invalid", String(wrong !== null));
    if (wrong) this.area.setAttribute("aria-describedby", this.warning.id);
    else this.area.removeAttribute("aria-describedby");
  }
}

// ---- the blocks -------------------------------------------------------------------------------

// How a layer's numbers come about, in words.
export function explain(row) {
  const { kind, terms, bias, each } = row;
  const [shape, F] = [row.shape.join("\u00b7"), row.shape[0]];
  const plus = bias ? " + 1 bias" : "";
  if (kind === "Input") return "Input: what one example looks like; nothing is computed.";
  if (kind === "Flatten") return "Flatten: the same numbers in one row; nothing is computed.";
  if (kind === "Conv2D" || kind === "Dense") {
    const one = kind === "Dense" ? "unit" : "filter";
    return `${row.name}: ${commas(F)} ${one}${F === 1 ? "" : "s"} \u00d7 (${commas(terms)} weight`
      + `${terms === 1n ? "" : "s"}${plus}) = ${commas(row.parameters)} parameters; each of `
      + `${shape} outputs takes ${commas(each)} FLOPs: ${commas(row.flops)}.`;
  }
  const learned = kind === "BatchNorm2D" ? `${F} channels \u00d7 2 = ${row.parameters} parameters`
    : "no parameters";
  const about = kind.endsWith("Pool2D") && kind !== "GlobalAvgPool2D"
    ? `each of ${shape} outputs takes ${commas(each)} FLOPs` : `${commas(each)} FLOP`
      + `${each === 1n ? "" : "s"} for each number that comes in`;
  return `${row.name}: ${learned}; ${about}: ${commas(row.flops)}.`;
}

class Blocks {
  constructor(onChoose) {
    this.id = `cnn-blocks-${COPY}-${madeGrids += 1}`;
    this.node = element("div", { class: "cnn-blocks", role: "grid", tabindex: 0,
      "aria-label": "Layers" });
    this.onChoose = onChoose;
    const visit = (event) => {
      const row = event.target.closest("[data-layer]");
      if (row) onChoose(Number(row.dataset.layer));
    };
    this.node.addEventListener("pointerover", visit);
    this.node.addEventListener("click", visit);
    this.node.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity }[event.key];
      if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
      onChoose(Math.max(0, Math.min(this.count - 1, this.current + step)));
      event.preventDefault();
    });
  }

  draw({ rows, output }) {
    this.count = rows.length;
    const total = (name) => rows.reduce((sum, row) => sum + row[name], 0);
    const most = { parameters: total("parameters"), flops: total("flops") };
    const cell = (text, share = 0, role = "gridcell") => element("div", { role,
      class: "cnn-entry", style: `--share: ${share}` },
    [element("span", {}, text.split(/(?<=\()/).flatMap((part) => [part, element("wbr")]))]);
    const head = ["layer", "output shape", "para\u00admeters", "FLOPs"].map((text) =>
      cell(text, 0, "columnheader"));
    const lines = rows.map((row, k) => element("div", { role: "row", class: "cnn-block",
      id: `${this.id}-${k}`, "data-layer": k }, [cell(row.name),
      cell(row.shape.join("\u00d7")), ...["parameters", "flops"].map((name) =>
        cell(commas(row[name]), row[name] / (most[name] || 1)))]));
    const last = [output ? `total, output ${output}` : "total", "", commas(most.parameters),
      commas(most.flops)].map((text) => cell(text));
    this.node.replaceChildren(element("div", { role: "row", class: "cnn-head" }, head), ...lines,
      element("div", { role: "row", class: "cnn-total" }, last));
  }

  choose(current) {
    this.current = current;
    this.node.querySelectorAll("[data-layer]").forEach((row, k) =>
      row.setAttribute("aria-selected", String(k === current)));
    this.node.setAttribute("aria-activedescendant", `${this.id}-${current}`);
    const chosen = this.node.querySelector("[aria-selected=true]");
    if (this.node.scrollHeight > this.node.clientHeight && chosen) {
      this.node.scrollTop = Math.min(this.node.scrollTop, chosen.offsetTop - 40);
      const over = chosen.offsetTop + chosen.offsetHeight - this.node.clientHeight;
      this.node.scrollTop = Math.max(this.node.scrollTop, over);
    }
  }
}

// ---- the view ---------------------------------------------------------------------------------

const TRACER_HELP = "Edit the text; its first line counts the layers. Point at a layer or use the "
  + "arrow keys. In the maps, point at a pixel or at the strip below, the vector; keys: left and "
  + "right go by 1, up and down by a row, Page keys by a channel.";

function attempt(text) {
  try {
    return { network: trace(text), wrong: null };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { network: null, wrong: error };
  }
}

function render({ model, el }) {
  const beginning = Object.fromEntries(["text", "draft", "layer", "index", "unit"]
    .map((name) => [name, model.get(name)]));
  const set = (changes) => {
    Object.entries(changes).forEach(([name, value]) => model.set(name, value));
    model.save_changes();
  };
  const editor = new Editor((draft) => set(attempt(draft).network ? { text: draft, draft }
    : { draft }), "The network as text");
  const blocks = new Blocks((layer) => layer !== model.get("layer") && set({ layer }));
  const map = new FlattenMap(model);
  const again = button("Reset", "Reset to the beginning", () => set(beginning));
  const says = element("p", { class: "cnn-sentence", "aria-live": "polite" });
  const keys = new Fold("Keys", [element("p", { class: "cnn-help", text: TRACER_HELP })]);
  const root = element("div", { class: "cnn-widget" }, [element("div", { class: "cnn-body" }, [
    element("div", { class: "cnn-tracer" }, [
      element("div", {}, [editor.node, element("div", { class: "cnn-controls cnn-second" },
        [again, keys.button])]), blocks.node, says]), keys.panel, map.node])]);
  root.dataset.lmSuppressShortcuts = "true"; // keys typed here are no JupyterLab shortcuts
  root.addEventListener("keydown", (event) => event.stopPropagation());
  el.append(root);

  let network = null;
  const drawLayer = () => {
    const layer = Math.min(model.get("layer"), network.rows.length - 1);
    blocks.choose(layer);
    says.textContent = explain(network.rows[layer]);
    editor.draw(model.get("draft"), attempt(model.get("draft")).wrong, network.rows[layer].line);
  };
  const drawAll = () => {
    const found = attempt(model.get("text")).network;
    if (!found) return;
    network = found;
    blocks.draw(network);
    map.draw(network.rows);
    drawLayer();
  };
  drawAll();
  const resized = new ResizeObserver(() => map.drawPicture());
  resized.observe(root);
  const stops = [onTraits(model, ["text"], drawAll), onTraits(model, ["draft", "layer"], drawLayer),
    onTraits(model, ["weights", "unit"], () => map.drawPicture()),
    onTraits(model, ["index"], () => map.drawIndex())];
  return () => {
    resized.disconnect();
    stops.forEach((stop) => stop());
    root.remove();
  };
}

export default { render };
