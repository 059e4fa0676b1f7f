// Finds, sorts and unfolds hosts. The page is whole without.
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const list = by("hosts"), find = by("find"), order = by("order"), fold = by("fold"), found = by("found");
  const hosts = [...list.children];
  const text = new Map(hosts.map((h) => [h, [...h.querySelectorAll("summary .name, summary .state, dd")].map((e) => e.textContent).join(" ").toLowerCase()]));
  document.querySelector(".tools").hidden = false;

  const show = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const h of hosts) {
      h.hidden = !words.every((w) => text.get(h).includes(w));
      n += h.hidden ? 0 : 1;
    }
    found.textContent = words.length ? `${n} of ${hosts.length} hosts` : "";
  };
  find.addEventListener("input", show);

  const rank = { bad: 0, back: 1, open: 2, skip: 3 };
  const sorts = {
    plan: () => hosts,
    slow: () => hosts.toSorted((a, b) => b.dataset.ms - a.dataset.ms),
    bad: () => hosts.toSorted((a, b) => (rank[a.dataset.bad] ?? 4) - (rank[b.dataset.bad] ?? 4)),
  };
  order.addEventListener("change", () => list.append(...sorts[order.value]()));

  fold.addEventListener("click", () => {
    const open = fold.getAttribute("aria-pressed") !== "true";
    fold.setAttribute("aria-pressed", open);
    for (const h of hosts) if (!h.hidden || !open) h.open = open;
  });

  // A link to a host unfolds it.
  const unfold = () => {
    const to = by(location.hash.slice(1));
    if (!to || to.tagName !== "DETAILS") return;
    to.hidden = false;
    to.open = true;
    to.scrollIntoView();
    to.querySelector("summary").focus({ preventScroll: true });
  };
  addEventListener("hashchange", unfold);
  unfold();
})();
