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

function cancel(event) {
  event.currentTarget.closest("dialog").close();
}

function buttons(action, { danger = false } = {}) {
  return h(
    "div",
    { class: "dialog-buttons" },
    // No submit button: the Enter key presses the first of these.
    h("button", { class: "button plain", type: "button", onclick: cancel }, "Cancel"),
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

function field({ name, label, type = "text", options, hint, half, value = "", ...attributes }) {
  const id = `dialog-${name}`;
  const control = options
    ? h("select", { id, name }, options.map(([key, text]) => h("option", { value: key }, text)))
    : h("input", { id, name, type, value, "aria-describedby": `${id}-wrong`, autocomplete: "off", ...attributes });
  return h(
    "div",
    { class: half ? "field half" : "field" },
    h("label", { for: id }, label),
    control,
    hint && h("span", { class: "hint" }, hint),
    h("span", { class: "wrong", id: `${id}-wrong`, "aria-live": "polite" }),
  );
}

// `check(values)` finds what the fields cannot know alone; `send(values)` does it. What either
// refuses is shown at its field, and the dialog stays.
export function formDialog(title, { fields, action, check = () => ({}), send }) {
  const problem = h("p", { class: "notice stop", role: "alert" });
  const form = h("form", { method: "dialog" }, problem, fields.map(field), buttons(action));
  form.noValidate = true;
  const dialog = build(title, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    const mistakes = { ...check(values), ...ownMistakes(form) };
    if (Object.keys(mistakes).length) {
      showMistakes(form, problem, { fields: mistakes });
      return;
    }
    const ok = form.querySelector("[value=ok]");
    ok.disabled = true;
    try {
      await send(values);
      dialog.close("ok");
    } catch (error) {
      showMistakes(form, problem, error);
    } finally {
      ok.disabled = false;
    }
  });
}

// What the browser itself finds wrong, in our words where it would only quote a pattern.
function ownMistakes(form) {
  const wrong = [...form.elements].filter((input) => input.name && (!input.validity.valid || isShort(input)));
  return Object.fromEntries(
    wrong.map((input) => [input.name, [input.validity.patternMismatch ? input.title : sentence(input)]]),
  );
}

// The browser minds the length only of what was typed, not of what a password manager put in.
function isShort(input) {
  return input.minLength > 0 && input.value.length < input.minLength;
}

function sentence(input) {
  if (input.validity.valueMissing) return "Please fill this in.";
  if (isShort(input)) return `Use at least ${input.minLength} characters.`;
  return input.validationMessage;
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
