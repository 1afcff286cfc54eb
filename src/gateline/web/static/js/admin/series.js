// The traffic of the last minute, second by second, added up over all edges.

const KEPT_SECONDS = 90;

export class Seconds {
  #told = new Map(); // second → edge → event

  add(event) {
    const second = Math.floor(Date.parse(event.at) / 1000);
    if (!Number.isFinite(second)) return;
    if (!this.#told.has(second)) this.#told.set(second, new Map());
    this.#told.get(second).set(event.edge ?? "", event);
    for (const old of this.#told.keys()) if (old < second - KEPT_SECONDS) this.#told.delete(old);
  }

  replace(points) {
    this.#told.clear();
    for (const point of points) this.add(point);
  }

  // One point for each second of the span that ends with `last`; a second nobody told of is quiet.
  points(last, span = 60) {
    return Array.from({ length: span }, (_, index) => {
      const second = last - span + 1 + index;
      return { at: second * 1000, ...merged([...(this.#told.get(second)?.values() ?? [])]) };
    });
  }

  inFlight(last) {
    const latest = new Map();
    for (let second = last - 3; second <= last; second += 1) {
      for (const [edge, event] of this.#told.get(second) ?? []) latest.set(edge, event.in_flight ?? 0);
    }
    return sum([...latest.values()]);
  }
}

function merged(events) {
  const busy = events.filter((event) => event.requests > 0);
  const weight = sum(busy.map((event) => event.requests));
  const weighed = (name) => sum(busy.map((event) => (event[name] ?? 0) * event.requests)) / weight;
  return {
    requests: weight,
    errors: sum(busy.map((event) => event.errors ?? 0)),
    errors_4xx: sum(busy.map((event) => event.errors_4xx ?? 0)),
    p50_ms: weight ? weighed("p50_ms") : null,
    // The slowest edge's tail is the honest one: tails cannot be averaged.
    p99_ms: weight ? Math.max(...busy.map((event) => event.p99_ms ?? 0)) : null,
  };
}

function sum(values) {
  return values.reduce((whole, value) => whole + value, 0);
}
