// Starts the widgets of an exported page: no kernel, no notebook, no network.
// A stand-in for the notebook's model (get, set, on, off, save_changes), then each widget's view.

function makeModel(state) {
  const listeners = new Map();
  const tell = (event) => [...(listeners.get(event) ?? [])].forEach((listener) => listener());
  return {
    get: (name) => state[name],
    set(name, value) {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = value;
      tell(`change:${name}`);
      tell("change");
    },
    on(event, listener) {
      listeners.set(event, new Set(listeners.get(event)).add(listener));
    },
    off: (event, listener) => listeners.get(event)?.delete(listener),
    save_changes() {},
  };
}

const modules = new Map();

function load(name) {
  if (!modules.has(name)) {
    const source = document.querySelector(`script[data-module="${name}"]`).textContent;
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    modules.set(name, import(address));
  }
  return modules.get(name);
}

async function start(place) {
  const { module, state } = JSON.parse(place.querySelector("script").textContent);
  const view = (await load(module)).default;
  const model = makeModel(state);
  await view.initialize?.({ model });
  const still = place.querySelector("img");
  await view.render({ model, el: place });
  still?.remove(); // shown only until the widget is there, where scripts are off, and on paper
  addEventListener("beforeprint", () => still && place.prepend(still));
  addEventListener("afterprint", () => still?.remove());
}

const started = Promise.all([...document.querySelectorAll(".course-widget")].map(start));
