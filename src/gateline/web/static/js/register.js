// The registration form: sent as JSON, so that what is wrong is said next to its field.

import { postJson } from "./api.js";
import { checked, clearProblems, initReveals, showRefusal } from "./forms.js";

const form = document.querySelector("form[data-send]");
const submit = form.querySelector("[type=submit]");

async function send(event) {
  event.preventDefault();
  clearProblems(form);
  if (!checked(form)) return;
  submit.disabled = true;
  const filled = [...new FormData(form)].filter(([, value]) => value !== "");
  try {
    const answer = await postJson(form.dataset.send, Object.fromEntries(filled));
    location.assign(answer.redirect);
  } catch (refused) {
    submit.disabled = false;
    showRefusal(form, refused);
  }
}

form.noValidate = true;
form.addEventListener("submit", send);
initReveals(form);
