// Numbers and moments as people read them; "–" for what is not known.

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const hourAndMinute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const whole = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

export const NOTHING = "–";

export function count(value) {
  if (value === null || value === undefined) return NOTHING;
  return Math.abs(value) >= 10000 ? short.format(value) : plain.format(value);
}

export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return NOTHING;
  if (milliseconds >= 1000) return `${plain.format(milliseconds / 1000)} s`;
  return `${milliseconds >= 100 ? Math.round(milliseconds) : plain.format(milliseconds)} ms`;
}

export function percent(share) {
  if (share === null || share === undefined) return NOTHING;
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${plain.format(share * 100)} %`;
}

export function time(moment) {
  return clock.format(moment);
}

export function minuteOf(moment) {
  return hourAndMinute.format(moment);
}

export function full(text) {
  const moment = new Date(text);
  return Number.isNaN(moment.getTime()) ? NOTHING : whole.format(moment);
}

// Today's moments need no date.
export function moment(text) {
  const value = new Date(text);
  if (Number.isNaN(value.getTime())) return NOTHING;
  const today = value.toDateString() === new Date().toDateString();
  return today ? clock.format(value) : `${day.format(value)}, ${hourAndMinute.format(value)}`;
}

export const KINDS = [
  ["admin", "Administrator"],
  ["doctor", "Doctor"],
  ["institution", "Institution"],
  ["patient", "Patient"],
  ["customer", "Customer"],
];

export function kindOf(userType) {
  return KINDS.find(([kind]) => kind === userType)?.[1] ?? userType;
}

export function words(name) {
  const spaced = name.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

const BROWSERS = [
  [/Edg\//, "Edge"],
  [/OPR\//, "Opera"],
  [/Firefox\//, "Firefox"],
  [/Chrome\//, "Chrome"],
  [/Safari\//, "Safari"],
  [/curl\//, "curl"],
  [/python-requests\//, "Python"],
];
const SYSTEMS = [
  [/iPhone|iPad/, "iOS"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X/, "macOS"],
  [/Linux/, "Linux"],
];

// Enough of a User-Agent to recognise one's own device; the whole is in the title.
export function agent(text) {
  if (!text) return "unknown client";
  const first = (list) => list.find(([pattern]) => pattern.test(text))?.[1];
  const browser = first(BROWSERS) ?? text.split(/[ /]/)[0];
  const system = first(SYSTEMS);
  return system ? `${browser} on ${system}` : browser;
}
