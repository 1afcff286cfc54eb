// Log entries of all processes: filtered, followed as they come, and one request through them all.

import { find, h, setText, trouble } from "./dom.js";
import { full, moment } from "./format.js";
import { get } from "./http.js";
import { fillForm, settled, valuesOf } from "./listing.js";
import { go, onShow, shown } from "./tabs.js";

const EVERY = 2500;
const PAGE = 100;
const MOST = 1000;

const form = find("log-filters");
const list = find("log");
const older = find("older");
const follow = find("follow");
let newest = null;
let cursor = null;
let turn = 0;

function following() {
  return follow.getAttribute("aria-pressed") === "true";
}

function query() {
  return { ...valuesOf(form), limit: PAGE };
}

function row(entry) {
  const id = entry.request_id;
  return h(
    "li",
    { class: `entry ${entry.level}` },
    h("time", { datetime: entry.at, title: full(entry.at) }, moment(entry.at)),
    h("span", { class: `level ${entry.level}` }, entry.level),
    h("span", { class: "service" }, entry.service),
    message(entry),
    id &&
      h(
        "button",
        { class: "link", type: "button", title: `Request ${id} in all services`, onclick: () => go("logs", { request_id: id }) },
        id.slice(0, 8),
      ),
  );
}

function message(entry) {
  const [first, ...rest] = entry.message.split("\n");
  const text = entry.reason ? `${first} (${entry.reason})` : first;
  if (!rest.length) return h("span", { class: entry.status >= 500 ? "message failed" : "message" }, text);
  return h("details", { class: "message" }, h("summary", {}, text), h("pre", {}, rest.join("\n")));
}

async function load() {
  const mine = (turn += 1);
  list.setAttribute("aria-busy", "true");
  try {
    const page = await get("/logs", query());
    if (mine !== turn) return;
    trouble(null);
    list.replaceChildren(...page.items.map(row));
    newest = page.items[0]?.id ?? null;
    place(page.next_cursor);
  } catch (error) {
    if (mine === turn) trouble(error);
  } finally {
    if (mine === turn) list.removeAttribute("aria-busy");
  }
}

function place(next) {
  cursor = next;
  older.hidden = next === null;
  find("log-empty").hidden = list.children.length > 0;
}

async function loadOlder() {
  const mine = turn;
  try {
    const page = await get("/logs", { ...query(), cursor });
    if (mine !== turn) return;
    list.append(...page.items.map(row));
    place(page.next_cursor);
  } catch (error) {
    trouble(error);
  }
}

// Only what arrived after the newest entry is asked for. By arrival and not by time: each process
// hands its entries in when it can, so one that was written earlier may come later.
async function loadNewer() {
  if (document.hidden || shown() !== "logs" || !following()) return;
  if (newest === null) {
    await load();
    return;
  }
  const mine = turn;
  try {
    const page = await get("/logs", { ...query(), after: newest });
    if (mine !== turn) return;
    trouble(null);
    if (page.next_cursor !== null) {
      await load(); // more came than fits a page: start again rather than leave a hole
      return;
    }
    list.prepend(...page.items.map(row));
    newest = page.items[0]?.id ?? newest;
    trim();
  } catch (error) {
    if (mine === turn) trouble(error);
  }
}

function trim() {
  while (list.children.length > MOST) list.lastChild.remove();
  find("log-empty").hidden = list.children.length > 0;
}

function remember() {
  const given = Object.entries(valuesOf(form)).filter(([, value]) => value);
  const text = new URLSearchParams(given).toString();
  history.replaceState(null, "", `#logs${text ? `?${text}` : ""}`);
  load();
}

export function offerServices(names) {
  const select = form.elements.service;
  const known = new Set([...select.options].map((option) => option.value));
  for (const name of names) if (!known.has(name)) select.append(h("option", { value: name }, name));
}

export function startLogs() {
  onShow("logs", (values) => {
    fillForm(form, values);
    load();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    remember();
  });
  form.addEventListener("input", settled(remember));
  older.addEventListener("click", loadOlder);
  follow.addEventListener("click", () => {
    const on = !following();
    follow.setAttribute("aria-pressed", String(on));
    setText(follow, on ? "Following" : "Paused");
    if (on) loadNewer();
  });
  setInterval(loadNewer, EVERY);
}
