// The login dialog: opens over the page, says what is wrong in place, and leads to the dashboard.

import { postJson } from "./api.js";

const dialog = document.querySelector("dialog.login");
const form = dialog.querySelector("form");
const problem = dialog.querySelector("[data-problem]");
const submit = dialog.querySelector("[type=submit]");
const password = dialog.querySelector("#password");
const reveal = dialog.querySelector("[data-reveal]");

function open(kind) {
  if (kind) form.elements.user_type.value = kind;
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("#email").focus();
}

function showField(name, messages) {
  const input = form.elements.namedItem(name);
  const place = dialog.querySelector(`#${name}-wrong`);
  if (!place) return false;
  place.textContent = messages.join(" ");
  input.setAttribute("aria-invalid", messages.length > 0 ? "true" : "false");
  return true;
}

function clearProblems() {
  problem.textContent = "";
  for (const name of ["email", "password"]) showField(name, []);
}

function missing() {
  const wrong = ["email", "password"].filter((name) => !form.elements[name].value.trim());
  for (const name of wrong) showField(name, ["Please fill this in."]);
  if (wrong.length) form.elements[wrong[0]].focus();
  return wrong.length > 0;
}

async function logIn(event) {
  event.preventDefault();
  clearProblems();
  if (missing()) return;
  submit.disabled = true;
  const values = Object.fromEntries(new FormData(form));
  try {
    const answer = await postJson(`/api/web/auth/${values.user_type}/login`, {
      email: values.email,
      password: values.password,
    });
    location.assign(values.next || answer.redirect);
  } catch (error) {
    const shown = Object.entries(error.fields ?? {}).filter(([name, text]) => showField(name, text));
    if (!shown.length) problem.textContent = error.message;
    submit.disabled = false;
  }
}

function toggleReveal() {
  const hidden = password.type === "password";
  password.type = hidden ? "text" : "password";
  reveal.textContent = hidden ? "Hide" : "Show";
  reveal.setAttribute("aria-pressed", String(hidden));
}

function forgetAddress() {
  const address = new URL(location.href);
  for (const name of ["login", "as", "next"]) address.searchParams.delete(name);
  address.hash = "";
  history.replaceState(null, "", address);
}

// The page's own checks speak in place; the browser's bubbles would hide them.
form.noValidate = true;
form.addEventListener("submit", logIn);
reveal.hidden = false;
reveal.addEventListener("click", toggleReveal);
dialog.addEventListener("close", () => {
  clearProblems();
  forgetAddress();
});
dialog.querySelector("[data-close]").addEventListener("click", (event) => {
  event.preventDefault();
  dialog.close();
});
for (const link of document.querySelectorAll("[data-login]")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    open(link.dataset.login);
  });
}

if (dialog.open) {
  // The server left it open for pages without scripts; a modal dialog must be opened from here.
  dialog.removeAttribute("open");
  open();
} else if (location.hash === "#login") {
  open();
}
