// The desk works without this file. With it, the result of a check appears by itself, a double click
// does not send a form twice, and a reloaded page does not repeat the message of an action.
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
    const form = event.target;
    if (form.method !== "post") return;
    if (sent.has(form)) event.preventDefault();
    sent.add(form);
    // If the reader has stopped the request, the form can be sent again.
    setTimeout(() => sent.delete(form), 30000);
    if (live && form.classList.contains("action")) say("Checking the order…", "");
  });
  // The reader came back to a page that the browser had kept in memory.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  if (!live || !live.dataset.waiting) return;
  const every = 1500; // ms
  let tries = 80; // two minutes; after that, the reader can reload the page

  // hasInput reports whether the reader has typed or chosen something that a new page would lose.
  function hasInput() {
    return [...document.querySelectorAll("main textarea, main input")].some((field) =>
      field.value !== field.defaultValue || field.checked !== field.defaultChecked);
  }

  // replaceAround replaces the page but keeps the status region, so that screen readers read out its
  // new text.
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
        if (hasInput()) {
          say("The check has ended. Copy your text, then reload the page to see the result.", "good");
        } else {
          replaceAround(document.adoptNode(page.querySelector("main")));
          say("The order was checked just now.", "good");
        }
        return;
      }
    } catch (e) { /* try again */ }
    setTimeout(look, every);
  }
  setTimeout(look, every);
})();
