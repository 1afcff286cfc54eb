// Living sessions of everybody or of one account; any of them can be ended.

import { confirmed } from "./dialogs.js";
import { find, h, say, trouble } from "./dom.js";
import { agent, full, moment } from "./format.js";
import { call } from "./http.js";
import { fillForm, Listing, valuesOf } from "./listing.js";
import { go, onShow } from "./tabs.js";

const form = find("session-filters");
const listing = new Listing({
  path: "/sessions",
  list: find("sessions"),
  more: find("more-sessions"),
  row,
  empty: "There is no such session.",
});

function row(session) {
  const called = session.user.username ?? session.user.email;
  return h(
    "li",
    {},
    h(
      "div",
      { class: "what" },
      h("strong", {}, session.user.name),
      session.current && h("span", { class: "chip" }, "this one"),
      h("small", {}, `${called} · ${session.user.user_type}`),
    ),
    h(
      "div",
      { class: "aside" },
      h("span", { title: session.user_agent ?? "" }, agent(session.user_agent)),
      h("small", { title: full(session.created_at) }, `${session.ip_address ?? "address unknown"}, since ${moment(session.created_at)}`),
    ),
    h(
      "div",
      { class: "acts" },
      h(
        "button",
        { class: "link danger", type: "button", onclick: () => end(session, called), disabled: session.current },
        "End",
        h("span", { class: "visually-hidden" }, ` session of ${called}`),
      ),
    ),
  );
}

async function end(session, called) {
  const text = "Whoever uses it is out at once and has to log in again.";
  if (!(await confirmed(`End this session of ${called}?`, text, "End session"))) return;
  try {
    await call("DELETE", `/sessions/${session.id}`);
    trouble(null);
    await listing.reload();
    say(`A session of ${called} is ended.`);
  } catch (error) {
    trouble(error);
  }
}

export function startSessions() {
  onShow("sessions", (values) => {
    fillForm(form, values);
    listing.show(valuesOf(form));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go("sessions", Object.fromEntries(Object.entries(valuesOf(form)).filter(([, value]) => value)));
  });
}
