// The account page: the browser's checks speak in place; the server does the rest.

import { checked, clearProblems, initReveals } from "./forms.js";

for (const form of document.querySelectorAll("form.form")) {
  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    clearProblems(form);
    if (!checked(form)) event.preventDefault();
  });
  initReveals(form);
}
