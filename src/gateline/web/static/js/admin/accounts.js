// Accounts: find, make, shut and open, set a password, delete.

import { confirmed, formDialog } from "./dialogs.js";
import { find, h, say, trouble } from "./dom.js";
import { count, full, KINDS, kindOf, moment } from "./format.js";
import { accountPath, call } from "./http.js";
import { fillForm, Listing, settled, valuesOf } from "./listing.js";
import { go, onShow } from "./tabs.js";

const ownId = document.getElementById("accounts").dataset.ownId;
const form = find("account-filters");
const listing = new Listing({
  path: "/users",
  list: find("accounts"),
  more: find("more-accounts"),
  row,
  empty: "No account matches.",
});

function row(user) {
  const own = user.id === ownId;
  const called = user.username ?? user.email;
  return h(
    "li",
    {},
    h(
      "div",
      { class: "what" },
      h("strong", {}, user.name),
      own && h("span", { class: "chip" }, "you"),
      !user.is_active && h("span", { class: "chip stop" }, "shut"),
      h("small", {}, [...new Set([user.username, user.email])].filter(Boolean).join(" · ")),
    ),
    h(
      "div",
      { class: "aside" },
      kindOf(user.user_type),
      h("small", { title: full(user.last_login_at) }, user.last_login_at ? `last login ${moment(user.last_login_at)}` : "never logged in"),
    ),
    h(
      "div",
      { class: "acts" },
      act(`${count(user.open_sessions)} ${user.open_sessions === 1 ? "session" : "sessions"}`, called, () => go("sessions", { user: `id:${user.id}` })),
      act("History", called, () => go("audit", { user: `id:${user.id}` })),
      !own && act("Set password", called, () => setPassword(user, called)),
      !own && act(user.is_active ? "Shut" : "Open", called, () => setActive(user, called)),
      !own && act("Delete", called, () => remove(user, called), "link danger"),
    ),
  );
}

function act(text, called, onclick, kind = "link") {
  return h("button", { class: kind, type: "button", onclick }, text, h("span", { class: "visually-hidden" }, ` of ${called}`));
}

async function attempt(doing, done) {
  try {
    await doing();
    trouble(null);
    await listing.reload();
    say(done);
  } catch (error) {
    trouble(error);
  }
}

function setPassword(user, called) {
  formDialog(`Set the password of ${called}`, {
    fields: [
      {
        name: "password",
        label: "New password",
        type: "password",
        autocomplete: "new-password",
        required: true,
        minlength: 8,
        maxlength: 256,
        hint: "At least 8 characters. All sessions of the account end.",
      },
    ],
    action: "Set password",
    send: async ({ password }) => {
      await call("PUT", `${accountPath(user)}/password`, { password });
      await listing.reload();
      say(`The password of ${called} is set.`);
    },
  });
}

async function setActive(user, called) {
  const shut = user.is_active;
  const text = "Its sessions end now, and nobody can log in with it until it is opened again.";
  if (shut && !(await confirmed(`Shut the account ${called}?`, text, "Shut account"))) return;
  const doing = () => call("PATCH", accountPath(user), { is_active: !shut });
  await attempt(doing, `${called} is ${shut ? "shut" : "open"}.`);
}

async function remove(user, called) {
  const text = "The account and its sessions are gone for good. What it did stays in the audit trail.";
  if (!(await confirmed(`Delete the account ${called}?`, text, "Delete account"))) return;
  await attempt(() => call("DELETE", accountPath(user)), `${called} is deleted.`);
}

function makeAccount() {
  formDialog("New account", {
    fields: [
      { name: "user_type", label: "Kind", options: KINDS },
      {
        name: "username",
        label: "User name",
        maxlength: 63,
        pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{1,62}",
        title: "Use at least two letters, digits, dots or dashes.",
        autocapitalize: "none",
        spellcheck: "false",
      },
      { name: "email", label: "E-mail address", type: "email", maxlength: 254, hint: "One of the two is enough." },
      { name: "first_name", label: "First name", maxlength: 100, half: true },
      { name: "last_name", label: "Last name", maxlength: 100, half: true },
      {
        name: "password",
        label: "Password",
        type: "password",
        autocomplete: "new-password",
        required: true,
        minlength: 8,
        maxlength: 256,
        hint: "At least 8 characters.",
      },
    ],
    action: "Make account",
    check: ({ username, email }) => (username || email ? {} : { username: ["Give a user name or an e-mail address."] }),
    send: async (values) => {
      const given = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
      const { user } = await call("POST", "/users", given);
      await listing.reload();
      say(`${user.username ?? user.email} is made.`);
    },
  });
}

export function startAccounts() {
  const show = () => listing.show(valuesOf(form));
  onShow("accounts", (values) => {
    fillForm(form, { user_type: "all", ...values });
    show();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });
  form.addEventListener("input", settled(show));
  find("new-account").addEventListener("click", makeAccount);
}
