// What every form needs: problems said in place, and passwords that can be looked at.

export function sentence(messages) {
  const text = [messages].flat().filter(Boolean).join(", ");
  return text && text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

export function showField(form, name, messages) {
  const input = form.elements.namedItem(name);
  const place = form.querySelector(`#${CSS.escape(name)}-wrong`);
  if (!input || !place) return false;
  place.textContent = sentence(messages);
  if (messages.length) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
  return true;
}

export function clearProblems(form) {
  for (const input of form.elements) if (input.name) showField(form, input.name, []);
  const problem = form.querySelector("[data-problem]");
  if (problem) problem.textContent = "";
}

function complaint(input) {
  if (input.validity.valueMissing) return "Please fill this in.";
  if (input.validity.typeMismatch) return "This does not look like an e-mail address.";
  return input.validationMessage;
}

// Returns whether the browser's own checks pass; says in place what does not.
export function checked(form) {
  const wrong = [...form.elements].filter((input) => input.name && !input.checkValidity());
  for (const input of wrong) showField(form, input.name, [complaint(input)]);
  wrong[0]?.focus();
  return wrong.length === 0;
}

export function showRefusal(form, refused) {
  const fields = Object.entries(refused.fields ?? {});
  const shown = fields.filter(([name, messages]) => showField(form, name, messages));
  if (shown.length) form.elements.namedItem(shown[0][0]).focus();
  else form.querySelector("[data-problem]").textContent = refused.message;
}

export function initReveals(root) {
  for (const button of root.querySelectorAll("[data-reveal]")) {
    const input = document.getElementById(button.dataset.reveal);
    if (!input) continue;
    button.hidden = false;
    button.addEventListener("click", () => {
      const hidden = input.type === "password";
      input.type = hidden ? "text" : "password";
      button.textContent = hidden ? "Hide" : "Show";
      button.setAttribute("aria-pressed", String(hidden));
    });
  }
}
