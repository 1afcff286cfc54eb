// A list that is loaded page by page, and loaded anew when its filters change.

import { h, trouble } from "./dom.js";
import { get } from "./http.js";

export class Listing {
  #path;
  #list;
  #more;
  #row;
  #empty;
  #query = {};
  #cursor = null;
  #turn = 0;

  constructor({ path, list, more, row, empty }) {
    this.#path = path;
    this.#list = list;
    this.#more = more;
    this.#row = row;
    this.#empty = empty;
    more.addEventListener("click", () => this.#load(this.#cursor));
  }

  show(query) {
    this.#query = query;
    return this.#load(null);
  }

  reload() {
    return this.show(this.#query);
  }

  async #load(cursor) {
    // Answers may pass each other; only the one asked for last is shown.
    const turn = (this.#turn += 1);
    this.#list.setAttribute("aria-busy", "true");
    try {
      const page = await get(this.#path, { ...this.#query, cursor, limit: 50 });
      if (turn !== this.#turn) return;
      trouble(null);
      const rows = page.items.map(this.#row);
      if (cursor) this.#list.append(...rows);
      else this.#list.replaceChildren(...(rows.length ? rows : [h("li", { class: "soft" }, this.#empty)]));
      this.#cursor = page.next_cursor;
      this.#more.hidden = page.next_cursor === null;
    } catch (error) {
      if (turn !== this.#turn) return;
      trouble(error);
      if (!cursor) this.#list.replaceChildren();
      this.#more.hidden = true;
    } finally {
      if (turn === this.#turn) this.#list.removeAttribute("aria-busy");
    }
  }
}

export function valuesOf(form) {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
}

export function fillForm(form, values) {
  for (const control of form.elements) {
    if (!control.name) continue;
    const value = values[control.name] ?? "";
    const isSelect = control instanceof HTMLSelectElement;
    if (isSelect && value && ![...control.options].some((option) => option.value === value)) {
      control.append(h("option", { value }, value));
    }
    control.value = value;
    if (isSelect && control.selectedIndex < 0) control.selectedIndex = 0;
  }
}

// Waits until somebody has stopped typing.
export function settled(callback, milliseconds = 250) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(callback, milliseconds);
  };
}
