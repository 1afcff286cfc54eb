// A small chart in SVG: an area or lines over time, with a cursor for pointer and keyboard.

import { s } from "./dom.js";

const LEFT = 60;
const RIGHT = 10;
const TOP = 12;
const BOTTOM = 24;

// A round number not below the value: 1, 2 or 5 times a power of ten.
export function roundUp(value, least) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= wanted * 0.999);
}

export class Chart {
  #host;
  #series;
  #format;
  #least;
  #points = [];
  #describe;
  #cursor = null;
  #readout;

  // `series`: [{ name, kind: "area" | "line" | "bar" }]; `describe(point)` tells one point in words.
  constructor(host, { readout, series, format, least, describe }) {
    this.#host = host;
    this.#series = series;
    this.#format = format;
    this.#readout = readout;
    this.#least = least;
    this.#describe = describe;
    host.addEventListener("pointermove", (event) => this.#pointAt(event));
    host.addEventListener("pointerleave", () => this.#moveTo(null));
    host.addEventListener("blur", () => this.#moveTo(null));
    host.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#draw()).observe(host);
  }

  show(points, axis) {
    this.#points = points;
    this.axis = axis;
    this.#draw();
  }

  summarise(text) {
    if (this.#host.getAttribute("aria-label") !== text) this.#host.setAttribute("aria-label", text);
  }

  #draw() {
    const width = this.#host.clientWidth;
    const height = this.#host.clientHeight;
    if (!width || !this.#points.length) return;
    const values = this.#points.flatMap((point) => this.#series.map(({ name }) => point[name] ?? 0));
    const top = roundUp(Math.max(...values), this.#least);
    const step = (width - LEFT - RIGHT) / Math.max(1, this.#points.length - 1);
    const x = (index) => LEFT + index * step;
    const y = (value) => TOP + (height - TOP - BOTTOM) * (1 - value / top);
    const plot = { x, y, step, width, height, top };
    this.#host.replaceChildren(
      s(
        "svg",
        { viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true", focusable: "false" },
        this.#grid(plot),
        this.#times(plot),
        this.#series.map((series) => this.#shape(series, plot)),
        this.#cursorLine(plot),
      ),
    );
    this.plot = plot;
    this.#tell();
  }

  #grid({ y, width, top }) {
    return [0, top / 2, top].flatMap((value) => [
      s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      s("text", { class: "tick", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, this.#format(value)),
    ]);
  }

  #times({ x, width, height }) {
    const every = Math.ceil(this.#points.length / (width < 480 ? 2 : 6));
    return this.#points.flatMap((point, index) => {
      const fromEnd = this.#points.length - 1 - index;
      if (fromEnd % every) return [];
      const anchor = fromEnd === 0 ? "end" : index < every / 3 ? "start" : "middle";
      return [s("text", { class: "tick", x: x(index), y: height - 6, "text-anchor": anchor }, this.axis(point.at))];
    });
  }

  #shape({ name, kind }, plot) {
    if (kind === "bar") return this.#bars(name, plot);
    const paths = runs(this.#points, name).flatMap((run) => {
      const line = run.map(({ index, value }) => `${plot.x(index).toFixed(1)} ${plot.y(value).toFixed(1)}`).join("L");
      const shapes = [s("path", { class: `line ${name}`, d: run.length > 1 ? `M${line}` : `M${line}h0.01` })];
      if (kind === "area" && run.length > 1) {
        const [first, last] = [run[0].index, run.at(-1).index];
        const d = `M${plot.x(first)} ${plot.y(0)}L${line}L${plot.x(last)} ${plot.y(0)}Z`;
        shapes.unshift(s("path", { class: `area ${name}`, d }));
      }
      return shapes;
    });
    return s("g", {}, paths);
  }

  #bars(name, { x, y, step }) {
    const width = Math.max(2, step * 0.6);
    const bars = this.#points.flatMap((point, index) =>
      point[name]
        ? [
            s("rect", {
              class: `bar ${name}`,
              x: x(index) - width / 2,
              y: Math.min(y(point[name]), y(0) - 2),
              width,
              height: Math.max(2, y(0) - y(point[name])),
            }),
          ]
        : [],
    );
    return s("g", {}, bars);
  }

  #cursorLine({ x, height }) {
    if (this.#cursor === null) return null;
    const at = x(this.#cursor);
    return s("line", { class: "cursor", x1: at, x2: at, y1: TOP, y2: height - BOTTOM });
  }

  #pointAt(event) {
    if (!this.plot) return;
    const along = event.clientX - this.#host.getBoundingClientRect().left - LEFT;
    const index = Math.round(along / this.plot.step);
    this.#moveTo(Math.min(Math.max(index, 0), this.#points.length - 1));
  }

  #key(event) {
    const last = this.#points.length - 1;
    const from = this.#cursor ?? last + 1;
    const moves = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.#moveTo(Math.min(Math.max(moves[event.key], 0), last));
  }

  #moveTo(index) {
    if (this.#cursor === index) return;
    this.#cursor = index;
    this.#draw();
  }

  #tell() {
    const text = this.#cursor === null ? "" : this.#describe(this.#points[this.#cursor]);
    if (this.#readout.textContent !== text) this.#readout.textContent = text;
  }
}

// Stretches of points that have a value; a gap is a gap, not a zero.
function runs(points, name) {
  const found = [];
  let run = [];
  points.forEach((point, index) => {
    if (point[name] === null || point[name] === undefined) {
      if (run.length) found.push(run);
      run = [];
    } else {
      run.push({ index, value: point[name] });
    }
  });
  if (run.length) found.push(run);
  return found;
}
