// The first view: figures, the traffic charts, services, and requests as they pass.

import { Chart } from "./chart.js";
import { find, h, setText } from "./dom.js";
import { count, duration, minuteOf, NOTHING, percent, time } from "./format.js";
import { Seconds } from "./series.js";
import { go } from "./tabs.js";

// The second that is running is not yet told of, nor are those just before by every edge.
const LAG_SECONDS = 3;
const PASSING = 10;

const seconds = new Seconds();
let stats = null;
let span = "minute";
let live = false;

const requests = new Chart(find("chart=requests"), {
  readout: find("readout=requests"),
  series: [
    { name: "requests", kind: "area" },
    { name: "errors_4xx", kind: "bar" },
    { name: "errors", kind: "bar" },
  ],
  format: count,
  least: 5,
  describe: (point) =>
    `${axis()(point.at)}: ${count(point.requests)} ${span === "minute" ? "a second" : "a minute"}, ` +
    `${count(point.errors_4xx)} refused, ${count(point.errors)} failed`,
});
const latency = new Chart(find("chart=latency"), {
  readout: find("readout=latency"),
  series: [
    { name: "p50_ms", kind: "line" },
    { name: "p99_ms", kind: "line" },
  ],
  format: duration,
  least: 5,
  describe: (point) => `${axis()(point.at)}: p50 ${duration(point.p50_ms)}, p99 ${duration(point.p99_ms)}`,
});

function axis() {
  return span === "minute" ? time : minuteOf;
}

function lastSecond() {
  return Math.floor(Date.now() / 1000) - LAG_SECONDS;
}

function points() {
  if (span === "minute") return seconds.points(lastSecond());
  return (stats?.traffic?.minutes ?? []).map((minute) => ({ ...minute, at: Date.parse(minute.at) }));
}

export function draw() {
  const shown = points();
  requests.show(shown, axis());
  latency.show(shown, axis());
  drawFigures();
}

function drawFigures() {
  const minute = seconds.points(lastSecond());
  const total = minute.reduce((whole, point) => whole + point.requests, 0);
  const failed = minute.reduce((whole, point) => whole + point.errors, 0);
  const now = minute.slice(-5).reduce((whole, point) => whole + point.requests, 0) / 5;
  const sum = stats?.traffic?.last_minute;
  const told = [
    ["Requests a second", count(now)],
    ["Failed in the last minute", total ? percent(failed / total) : NOTHING],
    ["Median answer (p50)", duration(sum?.p50_ms)],
    ["99 of 100 within (p99)", duration(sum?.p99_ms)],
    ["In flight", count(live ? seconds.inFlight(lastSecond()) : stats?.traffic?.in_flight)],
    ["Active sessions", count(stats?.sessions?.active)],
    ["Accounts", count(stats?.users?.total)],
    ["Failed logins in 24 hours", count(stats?.logins?.failed)],
    ...shopFigures(),
  ];
  putFigures(told);
  summarise(total, failed);
}

function shopFigures() {
  const shop = stats?.retail;
  if (!shop) return [];
  const open = shop.alerts?.open ?? shop.alerts?.count ?? shop.alerts?.total;
  return [
    ["Open alerts in the shop", count(open)],
    ["Cameras", count(shop.cameras)],
  ];
}

function putFigures(told) {
  const list = find("figures");
  if (list.children.length !== told.length) {
    list.classList.toggle("by-five", told.length % 5 === 0);
    list.replaceChildren(...told.map(([name]) => h("div", {}, h("dt", {}, name), h("dd", {}))));
  }
  told.forEach(([name, value], index) => {
    const [term, figure] = list.children[index].children;
    setText(term, name);
    setText(figure, value);
    figure.classList.toggle("long", value.length > 9);
  });
}

// A screen reader hears the summary when it comes to the chart, not once a second.
function summarise(total, failed) {
  const hour = stats?.traffic?.last_hour;
  if (span === "hour" && hour) {
    requests.summarise(`Requests a minute: ${count(hour.requests)} in the last hour, ${count(hour.errors)} failed.`);
    latency.summarise(`Time to answer in the last hour: p50 ${duration(hour.p50_ms)}, p99 ${duration(hour.p99_ms)}.`);
    return;
  }
  const minute = stats?.traffic?.last_minute;
  requests.summarise(`Requests a second: ${count(total)} in the last minute, ${count(failed)} failed.`);
  latency.summarise(`Time to answer in the last minute: p50 ${duration(minute?.p50_ms)}, p99 ${duration(minute?.p99_ms)}.`);
}

export function showStats(found, { isLive }) {
  stats = found;
  live = isLive;
  // The live connection knows the seconds better than a look at the store.
  if (!live) seconds.replace(found.traffic?.seconds ?? []);
  showServices([...edges(found), ...found.services]);
  showByService(found.traffic?.by_service ?? {});
  draw();
}

function showServices(services) {
  find("services").replaceChildren(
    ...services.map((service) =>
      h(
        "li",
        {},
        h("span", { class: "what" }, service.name, h("small", {}, standing(service))),
        h("span", { class: `state ${service.status}` }, service.status),
      ),
    ),
  );
}

// The edge has no address of its own here; that it tells of traffic shows that it is there.
function edges(found) {
  const there = found.traffic?.edges.length ?? 0;
  if (!there) return [];
  const processes = there === 1 ? "1 process" : `${there} processes`;
  return [{ name: "edge", status: "healthy", note: `${processes} in the last minute` }];
}

function standing(service) {
  if (service.note) return service.note;
  const away = ["database", "redis"].filter((name) => service[name] === "disconnected");
  if (away.length) return `without ${away.join(" and ")}`;
  if (service.status === "unreachable") return "does not answer";
  const version = service.version ? `version ${service.version}` : "";
  const answered = service.latency_ms === null ? "" : `in ${duration(service.latency_ms)}`;
  return [version, answered].filter(Boolean).join(", ");
}

function showByService(services) {
  const rows = Object.entries(services).sort(([, one], [, other]) => other.requests - one.requests);
  find("by-service").replaceChildren(
    ...(rows.length
      ? rows.map(([name, sum]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, name),
            h("td", {}, count(sum.requests)),
            h("td", {}, sum.errors ? percent(sum.error_share) : "0"),
            h("td", {}, duration(sum.p50_ms)),
            h("td", {}, duration(sum.p99_ms)),
          ),
        )
      : [h("tr", {}, h("td", { colspan: 5, class: "soft" }, "No request in the last hour."))]),
  );
}

export function onLive(event) {
  if (event.type === "hello") seconds.replace(Array.isArray(event.traffic) ? event.traffic : []);
  if (event.type === "traffic") seconds.add(event);
  if (event.type === "request") showPassing(event);
}

function showPassing(event) {
  const list = find("passing");
  find("passing-card").hidden = false;
  const kind = event.status >= 500 ? "errors" : event.status >= 400 ? "refused" : "fine";
  const line = [
    h("time", {}, time(new Date(event.at ?? Date.now()))),
    h("span", { class: `status ${kind}` }, String(event.status ?? "")),
    h("span", { class: "path" }, `${event.method ?? ""} ${event.path ?? ""}`),
    h("span", { class: "soft" }, duration(event.duration_ms)),
  ];
  const id = event.request_id;
  const follow = id && h("button", { class: "link", type: "button", onclick: () => go("logs", { request_id: id }) }, "logs");
  list.prepend(h("li", {}, line, follow || h("span")));
  while (list.children.length > PASSING) list.lastChild.remove();
}

export function startOverview() {
  for (const choice of document.querySelectorAll("[name=span]")) {
    choice.addEventListener("change", () => {
      span = choice.value;
      setText(find("key-requests"), span === "minute" ? "Requests a second" : "Requests a minute");
      draw();
    });
  }
  setInterval(() => {
    if (!document.hidden) draw();
  }, 1000);
}
