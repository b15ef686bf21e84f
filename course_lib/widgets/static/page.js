// What a page can do beside its widgets: open all answers at once, and show a figure enlarged.

// ---- "Show all answers", remembered where the browser lets a page remember

const box = document.querySelector(".show-all input");
const KEY = "show all answers";
const remembered = {
  get() {
    try { return localStorage.getItem(KEY) === "yes"; } catch { return false; }
  },
  set(value) {
    try { localStorage.setItem(KEY, value ? "yes" : "no"); } catch { /* then only this page */ }
  },
};

function openAll() {
  for (const one of document.querySelectorAll("main details")) {
    if (!one.closest(".course-widget")) one.open = box.checked;
  }
}

if (box) {
  box.closest("p").hidden = false;
  box.checked = remembered.get();
  if (box.checked) openAll();
  box.addEventListener("change", () => {
    remembered.set(box.checked);
    openAll();
  });
}

// ---- figures: where one is shown smaller than it is, a button opens it as large as it is

const dialog = document.createElement("dialog");
dialog.className = "enlarged";
dialog.setAttribute("aria-label", "Figure, enlarged");
dialog.innerHTML = '<button type="button">Close</button><div tabindex="0" role="group" '
  + 'aria-label="The figure; scroll to see all of it"></div>';
document.body.append(dialog);
const [close, view] = dialog.children;
close.addEventListener("click", () => dialog.close());

function enlarge(image) {
  const large = image.cloneNode();
  large.className = "";
  view.replaceChildren(large);
  dialog.showModal();
}

for (const image of document.querySelectorAll(".figure img")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "enlarge";
  button.textContent = "Enlarge the figure";
  button.addEventListener("click", () => enlarge(image));
  image.addEventListener("click", () => button.hidden || enlarge(image));
  image.after(button);
  new ResizeObserver(() => {
    const shown = image.clientWidth - 16; // without its white border
    button.hidden = !shown || shown >= image.getAttribute("width") * 0.95;
    image.classList.toggle("can-grow", !button.hidden);
  }).observe(image);
}
