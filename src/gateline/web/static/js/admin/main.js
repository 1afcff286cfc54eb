// The control room: live over one WebSocket, by polling while that is away.

import { startAccounts } from "./accounts.js";
import { startAudit } from "./audit.js";
import { find, setText, trouble } from "./dom.js";
import { get } from "./http.js";
import { listen } from "./live.js";
import { offerServices, startLogs } from "./logs.js";
import { onLive, showStats, startOverview } from "./overview.js";
import { startSessions } from "./sessions.js";
import { shown, startTabs } from "./tabs.js";

const WHEN_LIVE = 10000;
const WHEN_POLLING = 2000;
const WORDS = {
  waiting: "Connecting",
  live: "Live",
  polling: "Every two seconds",
  lost: "Not connected",
};

let link = "waiting";
let reachable = true;
let asking = false;
let timer;

function showState() {
  const state = reachable ? link : "lost";
  const pulse = document.querySelector("[data-pulse]");
  pulse.dataset.pulse = state;
  setText(find("pulse-text"), WORDS[state]);
}

async function poll() {
  if (asking) return;
  clearTimeout(timer);
  if (!document.hidden) {
    asking = true;
    try {
      const stats = await get("/dashboard/stats");
      reachable = true;
      showStats(stats, { isLive: link === "live" });
      offerServices(["edge", "jobs", ...stats.services.map((service) => service.name)]);
      if (shown() === "overview") trouble(missing(stats));
    } catch (error) {
      reachable = error.status !== 0 && error.status < 500;
      if (shown() === "overview") trouble(error);
    } finally {
      asking = false;
    }
    showState();
  }
  timer = setTimeout(poll, link === "live" ? WHEN_LIVE : WHEN_POLLING);
}

function missing(stats) {
  const parts = Object.entries(stats.errors).map(([part, failure]) => `${part}: ${failure.message}`);
  return parts.length ? { message: `Some figures are missing (${parts.join(" ")})` } : null;
}

startOverview();
startLogs();
startAccounts();
startSessions();
startAudit();
startTabs();
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) poll();
});
listen({
  onEvent: onLive,
  onState: (state) => {
    if (link === state) return;
    link = state;
    showState();
    poll();
  },
});
poll();
