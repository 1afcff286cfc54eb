// The reference of the API: narrow it down while typing, and open what an address points to.

const filter = document.querySelector(".ops-filter");

function narrow() {
  const words = filter.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const chapter of document.querySelectorAll(".chapter")) {
    let here = 0;
    for (const operation of chapter.querySelectorAll(".op")) {
      const fits = words.every((word) => operation.dataset.words.includes(word));
      operation.hidden = !fits;
      here += fits ? 1 : 0;
    }
    chapter.hidden = here === 0;
    shown += here;
  }
  filter.querySelector("[data-count]").textContent = words.length ? `${shown} found` : "";
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target?.matches("details.op")) return;
  target.open = true;
  target.scrollIntoView();
}

if (filter) {
  filter.querySelector("button").hidden = true;
  filter.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", narrow);
}
for (const operation of document.querySelectorAll("details.op")) {
  operation.addEventListener("toggle", () => {
    if (operation.open) history.replaceState(null, "", `#${operation.id}`);
  });
}
addEventListener("hashchange", openTarget);
openTarget();
