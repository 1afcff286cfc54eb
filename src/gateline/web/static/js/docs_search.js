// Search as you type: the index is fetched once, then everything happens here.
// The rules are those of the search on the server: every word must begin a word of the section.

const form = document.querySelector(".docs-search");
const field = form.querySelector("input");
const list = form.querySelector(".docs-found");
const count = form.querySelector("[data-count]");

const WEIGHTS = [8, 5, 1];
const MOST = 8;
const AROUND = 60;
let sections;

function folded(text) {
  return text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
}

function wordsOf(text) {
  return folded(text).match(/[a-z0-9_]+/g) ?? [];
}

async function load() {
  sections ??= fetch(form.dataset.index, { credentials: "same-origin" })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error("no index"))))
    .then((index) =>
      index.sections.map(([address, page, heading, text]) => ({
        address,
        page,
        heading,
        text,
        places: [page, heading, text].map(wordsOf),
      })),
    );
  return sections;
}

function scoreOf(section, words) {
  let total = 0;
  for (const word of words) {
    const counts = section.places.map((place) => place.filter((found) => found.startsWith(word)).length);
    if (counts.every((found) => found === 0)) return 0;
    total += counts.reduce((sum, found, place) => sum + Math.min(found, 3) * WEIGHTS[place], 0);
  }
  return total;
}

function excerptOf(text, words) {
  const plain = folded(text);
  const places = words.map((word) => plain.search(new RegExp(`\\b${word}`))).filter((place) => place >= 0);
  let start = Math.max(0, Math.min(...places) - AROUND);
  if (!Number.isFinite(start)) start = 0;
  if (start > 0) start = text.indexOf(" ", start) + 1;
  const end = start + 2 * AROUND;
  const cut = text.slice(start, end < text.length ? text.lastIndexOf(" ", end) : end);
  return (start > 0 ? "… " : "") + cut + (end < text.length ? " …" : "");
}

function marked(text, words) {
  const fragment = document.createDocumentFragment();
  for (const piece of text.split(/([\p{L}\p{N}_]+)/u)) {
    const plain = folded(piece);
    const hit = plain && words.some((word) => plain.startsWith(word));
    fragment.append(hit ? Object.assign(document.createElement("mark"), { textContent: piece }) : piece);
  }
  return fragment;
}

function rowOf(section, words) {
  const link = document.createElement("a");
  link.href = section.address;
  const title = document.createElement("strong");
  title.append(marked(section.heading ? `${section.page} › ${section.heading}` : section.page, words));
  const text = document.createElement("small");
  text.append(marked(excerptOf(section.text, words), words));
  link.append(title, text);
  const row = document.createElement("li");
  row.append(link);
  return row;
}

function close() {
  list.hidden = true;
  list.replaceChildren();
  count.textContent = "";
}

async function look() {
  const words = wordsOf(field.value);
  if (!words.length) return close();
  let all;
  try {
    all = await load();
  } catch {
    sections = undefined; // the form still leads to the search on the server
    return close();
  }
  const found = all
    .map((section) => ({ section, score: scoreOf(section, words) }))
    .filter((hit) => hit.score > 0)
    .sort((one, other) => other.score - one.score)
    .slice(0, MOST);
  const rows = document.createElement("ul");
  rows.append(...found.map((hit) => rowOf(hit.section, words)));
  const nothing = document.createElement("p");
  nothing.textContent = "Nothing was found.";
  list.replaceChildren(found.length ? rows : nothing);
  list.hidden = false;
  count.textContent = found.length ? `${found.length} found; arrow down to walk through them` : "Nothing was found";
  return undefined;
}

function walk(event) {
  const links = [...list.querySelectorAll("a")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    close();
    field.focus();
  } else if (step && links.length) {
    event.preventDefault();
    const next = links.indexOf(document.activeElement) + step;
    (links[next] ?? field).focus();
  }
}

field.addEventListener("input", look);
field.addEventListener("focus", () => load().catch(() => undefined), { once: true });
form.addEventListener("keydown", walk);
form.addEventListener("focusout", (event) => {
  if (!form.contains(event.relatedTarget)) close();
});
list.addEventListener("mousedown", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    field.focus();
  }
});
