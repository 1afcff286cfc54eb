// Show moments in the reader's own time zone; the server can only write them in UTC.

const english = navigator.languages.find((language) => language.startsWith("en")) ?? "en-GB";
const format = new Intl.DateTimeFormat(english, {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "numeric",
  minute: "2-digit",
});

const timeOnly = new Intl.DateTimeFormat(english, { hour: "numeric", minute: "2-digit" });

for (const element of document.querySelectorAll("time[data-moment]")) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) continue;
  element.textContent = (element.dataset.moment === "time" ? timeOnly : format).format(moment);
}
