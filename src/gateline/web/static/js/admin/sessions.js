// Living sessions of everybody or of one account; any of them can be ended.

import { confirmed } from "./dialogs.js";
import { find, h, say, trouble } from "./dom.js";
import { agent, full, kindOf, moment } from "./format.js";
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
      h("small", {}, `${called} · ${kindOf(session.user.user_type)}`),
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
      !session.current &&
        h(
          "button",
          { class: "link danger", type: "button", onclick: () => end(session, called) },
          "End",
          h("span", { class: "visually-hidden" }, ` session of ${called}`),
        ),
    ),
  );
}

const OUT = "Whoever uses it is out at once and has to log in again.";

async function end(session, called) {
  if (!(await confirmed(`End this session of ${called}?`, OUT, "End session"))) return;
  await attempt(`/sessions/${session.id}`, `A session of ${called} is ended.`);
}

async function endAll() {
  const called = valuesOf(form).user;
  if (!(await confirmed(`End every session of ${called}?`, OUT, "End sessions"))) return;
  await attempt(`/users/${encodeURIComponent(called)}/sessions`, `The sessions of ${called} are ended.`);
}

async function attempt(path, done) {
  try {
    await call("DELETE", path);
    trouble(null);
    await listing.reload();
    say(done);
  } catch (error) {
    trouble(error);
  }
}

export function startSessions() {
  find("end-all").addEventListener("click", endAll);
  onShow("sessions", (values) => {
    fillForm(form, values);
    find("end-all").hidden = !values.user;
    listing.show(valuesOf(form));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go("sessions", Object.fromEntries(Object.entries(valuesOf(form)).filter(([, value]) => value)));
  });
}
