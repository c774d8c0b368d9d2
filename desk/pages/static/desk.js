// The desk works without this file. It makes the result of a check appear by itself, keeps a double
// click from sending a form twice, and forgets what was done when the page is loaded again.
"use strict";
(function () {
  if (new URLSearchParams(location.search).has("done")) history.replaceState(null, "", location.pathname);
  document.getElementById("faults")?.focus();

  const live = document.getElementById("live");
  function say(text, kind) {
    const p = document.createElement("p");
    p.className = "notice " + kind;
    p.textContent = text;
    live.replaceChildren(p);
  }

  const sent = new WeakSet();
  document.addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (sent.has(event.target)) event.preventDefault();
    sent.add(event.target);
    if (live && event.target.classList.contains("action")) say("Checking the order…", "");
  });
  // A page that the browser kept while the reader was elsewhere.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  if (!live || !live.dataset.waiting) return;
  const every = 1500; // ms
  let tries = 80; // two minutes; then the reader reloads

  // Whether the reader has typed or chosen something that a new page would lose.
  function touched() {
    return [...document.querySelectorAll("main textarea, main input")].some((field) =>
      field.value !== field.defaultValue || field.checked !== field.defaultChecked);
  }

  // The status region stays in the page: screen readers read out what changes in it.
  function replaceAround(fresh) {
    const main = live.parentElement;
    const focused = main.contains(document.activeElement);
    for (const node of [...main.childNodes]) if (node !== live) node.remove();
    let before = true;
    for (const node of [...fresh.childNodes]) {
      if (node.id === "live") before = false;
      else if (before) main.insertBefore(node, live);
      else main.append(node);
    }
    if (focused) {
      live.tabIndex = -1;
      live.focus();
    }
  }

  async function look() {
    if (--tries < 0) return;
    try {
      const answer = await fetch(live.dataset.waiting, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById("live");
      if (now && !now.dataset.waiting) {
        if (touched()) {
          say("The check has ended. Reload the page to see its result; what you have typed would be lost.", "good");
        } else {
          replaceAround(document.adoptNode(page.querySelector("main")));
          say("The order was checked just now.", "good");
        }
        return;
      }
    } catch (e) { /* the next try may succeed */ }
    setTimeout(look, every);
  }
  setTimeout(look, every);
})();
