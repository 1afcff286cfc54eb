// Elements without markup in strings: nothing that a service or a person wrote becomes HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

// `find("chart=latency")` is [data-chart="latency"].
export function find(name, root = document) {
  const [attribute, value] = name.split("=");
  return root.querySelector(value ? `[data-${attribute}="${value}"]` : `[data-${attribute}]`);
}

// Only what differs is touched, so focus, selection and screen readers are left in peace.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function say(text) {
  find("said").textContent = text;
}

export function trouble(error) {
  setText(find("trouble"), error ? error.message : "");
}
