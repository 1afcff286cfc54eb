// The audit trail: what happened to accounts, who did it and from where.

import { find, h } from "./dom.js";
import { agent, full, moment, words } from "./format.js";
import { fillForm, Listing, valuesOf } from "./listing.js";
import { go, onShow } from "./tabs.js";

const form = find("audit-filters");
const listing = new Listing({
  path: "/audit",
  list: find("audit"),
  more: find("more-audit"),
  row,
  empty: "Nothing of that kind happened.",
});

function row(event) {
  const about = event.user ?? event.details.name ?? (event.user_id ? `id:${event.user_id}` : "");
  const details = Object.entries(event.details)
    .filter(([name, value]) => name !== "name" && value !== null)
    .map(([name, value]) => `${name.replaceAll("_", " ")} ${Array.isArray(value) ? value.join(", ") : value}`);
  return h(
    "li",
    {},
    h("div", { class: "what" }, h("strong", {}, words(event.event)), h("small", {}, [about, ...details].filter(Boolean).join(" · "))),
    h("div", { class: "aside" }, actor(event), h("small", {}, event.ip_address ?? "")),
    h(
      "div",
      { class: "acts" },
      h("time", { datetime: event.occurred_at, title: full(event.occurred_at) }, moment(event.occurred_at)),
      event.request_id &&
        h(
          "button",
          { class: "link", type: "button", onclick: () => go("logs", { request_id: event.request_id }) },
          "logs",
          h("span", { class: "visually-hidden" }, ` of the request ${event.request_id}`),
        ),
    ),
  );
}

function actor(event) {
  const [kind, id] = event.actor.split(":");
  if (kind === "user") return id === event.user_id ? `themselves, ${agent(event.user_agent)}` : `by account ${id}`;
  if (kind === "service") return `by service ${id}`;
  return kind === "local" ? "on the command line" : agent(event.user_agent);
}

export function startAudit() {
  onShow("audit", (values) => {
    fillForm(form, values);
    listing.show(valuesOf(form));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go("audit", Object.fromEntries(Object.entries(valuesOf(form)).filter(([, value]) => value)));
  });
}
