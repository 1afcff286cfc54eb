// Dialogs: a question before something that cannot be undone, and a form with its mistakes in place.

import { h } from "./dom.js";

function build(title, ...content) {
  const dialog = h("dialog", { class: "login", "aria-labelledby": "dialog-title" }, content);
  dialog.firstChild.prepend(h("h2", { id: "dialog-title" }, title));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function buttons(action, { danger = false } = {}) {
  return h(
    "div",
    { class: "dialog-buttons" },
    h("button", { class: "button plain", type: "submit", value: "cancel", formnovalidate: true }, "Cancel"),
    h("button", { class: danger ? "button danger" : "button", type: "submit", value: "ok" }, action),
  );
}

// Resolves true when the action was chosen.
export function confirmed(title, text, action) {
  return new Promise((resolve) => {
    const form = h("form", { method: "dialog" }, h("p", {}, text), buttons(action, { danger: true }));
    const dialog = build(title, form);
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "ok"));
  });
}

function field({ name, label, type = "text", options, hint, value = "", ...attributes }) {
  const id = `dialog-${name}`;
  const control = options
    ? h("select", { id, name }, options.map(([key, text]) => h("option", { value: key }, text)))
    : h("input", { id, name, type, value, "aria-describedby": `${id}-wrong`, autocomplete: "off", ...attributes });
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    control,
    hint && h("span", { class: "hint" }, hint),
    h("span", { class: "wrong", id: `${id}-wrong`, "aria-live": "polite" }),
  );
}

// `send(values)` does it; what it is refused for is shown at its field, and the dialog stays.
export function formDialog(title, { fields, action, send }) {
  const problem = h("p", { class: "notice stop", role: "alert" });
  const form = h("form", { method: "dialog" }, problem, fields.map(field), buttons(action));
  form.noValidate = true;
  const dialog = build(title, form);
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.value === "cancel") return;
    event.preventDefault();
    const ok = form.querySelector("[value=ok]");
    ok.disabled = true;
    try {
      await send(Object.fromEntries(new FormData(form)));
      dialog.close("ok");
    } catch (error) {
      showMistakes(form, problem, error);
    } finally {
      ok.disabled = false;
    }
  });
}

function showMistakes(form, problem, error) {
  const left = { ...error.fields };
  for (const input of form.querySelectorAll("input, select")) {
    const texts = left[input.name] ?? [];
    delete left[input.name];
    document.getElementById(`${input.id}-wrong`).textContent = texts.join(" ");
    input.setAttribute("aria-invalid", String(texts.length > 0));
  }
  const others = Object.values(left).flat();
  const placed = Object.keys(error.fields ?? {}).length > Object.keys(left).length;
  problem.textContent = others.length ? others.join(" ") : placed ? "" : error.message;
  form.querySelector("[aria-invalid=true]")?.focus();
}
