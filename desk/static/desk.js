// The desk works without this file. It only makes the result of a check appear by itself.
"use strict";
(function () {
  const live = document.getElementById("live");
  if (!live || !live.dataset.waiting) return;
  const every = 1500; // ms
  let tries = 80; // two minutes; then the reader reloads
  async function look() {
    if (--tries < 0) return;
    try {
      const answer = await fetch(live.dataset.waiting, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById("live");
      if (now && !now.dataset.waiting) {
        const typed = [...document.querySelectorAll("textarea")].some((t) => t.value !== t.defaultValue);
        if (typed) {
          live.innerHTML = "";
          const p = document.createElement("p");
          p.className = "notice good";
          p.textContent = "The check has ended. Reload the page to see its result; what you have typed would be lost.";
          live.append(p);
        } else {
          document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
          const p = document.createElement("p");
          p.className = "notice good";
          p.textContent = "The order was checked just now.";
          document.getElementById("live").replaceChildren(p);
        }
        return;
      }
    } catch (e) { /* the next try may succeed */ }
    setTimeout(look, every);
  }
  setTimeout(look, every);
})();
