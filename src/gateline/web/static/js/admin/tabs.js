// Tabs by the ARIA pattern. The open one is in the address (#logs?level=error), so it can be linked.

const tabs = [...document.querySelectorAll("[role=tab]")];
const listeners = new Map();

export function onShow(name, callback) {
  listeners.set(name, callback);
}

export function shown() {
  return tabs.find((tab) => tab.getAttribute("aria-selected") === "true").getAttribute("aria-controls");
}

export function go(name, query = {}) {
  const text = new URLSearchParams(query).toString();
  const target = `#${name}${text ? `?${text}` : ""}`;
  // Setting the hash would take the focus from the tab to the panel of that name.
  if (location.hash !== target) history.pushState(null, "", target);
  open();
}

function select(name) {
  for (const tab of tabs) {
    const chosen = tab.getAttribute("aria-controls") === name;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !chosen;
    if (chosen && document.activeElement !== tab) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

function open() {
  const [name, query] = location.hash.slice(1).split("?");
  const known = tabs.some((tab) => tab.getAttribute("aria-controls") === name) ? name : "overview";
  select(known);
  listeners.get(known)?.(Object.fromEntries(new URLSearchParams(query ?? "")));
}

function key(event) {
  const at = tabs.indexOf(event.target);
  const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: tabs.length - 1 };
  if (!(event.key in moves)) return;
  event.preventDefault();
  const next = tabs[(moves[event.key] + tabs.length) % tabs.length];
  next.focus();
  go(next.getAttribute("aria-controls"));
}

export function startTabs() {
  for (const tab of tabs) {
    tab.addEventListener("click", () => go(tab.getAttribute("aria-controls")));
    tab.addEventListener("keydown", key);
  }
  addEventListener("popstate", open);
  open();
}
