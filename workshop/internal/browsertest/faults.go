package browsertest

import "github.com/chromedp/chromedp"

// Faults returns the faults of a page, one per line: violations of WCAG, and elements that do not
// fit into the window.
func Faults() chromedp.Action[string] { return chromedp.Evaluate[string](faults) }

const faults = `(() => {
	const faults = [];
	const fault = (what, element) => faults.push(what + ": " + (element?.outerHTML ?? "").slice(0, 200));
	if (document.documentElement.scrollWidth > innerWidth) {
		fault("wider than the window, by " + (document.documentElement.scrollWidth - innerWidth), [...document.querySelectorAll("main *")].find((e) => e.getBoundingClientRect().right > innerWidth + 1));
	}
	if (document.querySelectorAll("h1").length !== 1) fault("not one h1");
	if (!document.title || !document.documentElement.lang) fault("no title or language");
	for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
		if (!field.labels?.length) fault("no label", field);
	}
	let level = 0;
	for (const heading of document.querySelectorAll("h1, h2, h3, h4")) {
		if (Number(heading.tagName[1]) > level + 1) fault("a level of headings is left out", heading);
		level = Number(heading.tagName[1]);
	}
	const ids = new Set();
	for (const element of document.querySelectorAll("[id]")) {
		if (ids.has(element.id)) fault("an id twice", element);
		ids.add(element.id);
	}
	for (const target of document.querySelectorAll("button, nav a, input:not([type=hidden]), select")) {
		const box = (target.closest("label") ?? target).getBoundingClientRect();
		if (box.width < 24 || box.height < 24) fault("too small for a finger", target);
	}
	for (const notice of document.querySelectorAll(".notice")) {
		if (!notice.closest("[role=status], [role=alert]")) fault("a screen reader does not read it out", notice);
	}
	// A column of letters: a text that has no room.
	for (const element of document.querySelectorAll("main *, header *")) {
		const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent).join("").trim();
		if (!/^[\w ]{1,200}$/.test(text) || text.split(" ").some((word) => word.length > 15)) continue;
		const range = document.createRange();
		for (const node of element.childNodes) {
			if (node.nodeType !== 3) continue;
			for (const word of node.textContent.matchAll(/\w+/g)) {
				range.setStart(node, word.index);
				range.setEnd(node, word.index + word[0].length);
				const lines = new Set([...range.getClientRects()].map((r) => Math.round(r.top)));
				if (lines.size > 1) fault("the word " + word[0] + " is broken", element);
			}
		}
	}
	return faults.join("\n");
})()`
