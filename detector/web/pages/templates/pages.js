"use strict";
// Colours, and pages that keep themselves up: what changed on the server is swapped in place.
(() => {
  const EVERY_MS = 4000;
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  window.pushwake = { theme, refresh };

  const changed = () => document.dispatchEvent(new Event("pushwake:changed"));
  const button = document.getElementById("theme");
  const name = () => { button.textContent = (theme() === "dark" ? "Light" : "Dark") + " colours"; };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* then not for long */ }
    name();
    changed();
  });
  dark.addEventListener("change", () => { name(); changed(); });
  name();

  const live = (page) => page.querySelectorAll("[data-live]");
  const seen = new Map();
  for (const part of live(document)) seen.set(part.id, part.outerHTML);
  const lost = document.getElementById("lost");
  let etag = null;
  let heard = Date.now();

  function keep(old, fresh) {
    for (const open of old.querySelectorAll("details[open]")) {
      const twin = open.id && fresh.querySelector("#" + CSS.escape(open.id));
      if (twin) twin.open = true;
    }
    for (const plot of old.querySelectorAll(".plot")) {
      const twin = fresh.querySelector("#" + CSS.escape(plot.id));
      if (twin) twin.replaceWith(plot);
    }
  }

  // Whether somebody has begun to fill in a form of this part.
  function touched(part) {
    const texts = [...part.querySelectorAll("input, textarea")].some((one) => one.value !== one.defaultValue);
    return texts || [...part.querySelectorAll("option")].some((one) => one.selected && one.index && !one.defaultSelected);
  }

  function swap(page) {
    const active = document.activeElement;
    let any = false;
    for (const fresh of live(page)) {
      const text = fresh.outerHTML;
      if (seen.get(fresh.id) === text) continue;
      const old = document.getElementById(fresh.id);
      if (!old) continue;
      const typing = old.contains(active) && active.matches("input, textarea, select");
      if (typing || touched(old)) continue;
      seen.set(fresh.id, text);
      const had = old.contains(active) ? [...old.querySelectorAll("a, button, summary, [tabindex]")].indexOf(active) : -1;
      const across = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
      const put = document.importNode(fresh, true);
      keep(old, put);
      old.replaceWith(put);
      put.querySelectorAll(".scroll").forEach((one, n) => { one.scrollLeft = across[n] || 0; });
      if (had >= 0) [...put.querySelectorAll("a, button, summary, [tabindex]")][had]?.focus({ preventScroll: true });
      any = true;
    }
    document.title = page.title;
    if (any) { ages(); changed(); }
  }

  async function refresh() {
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const answer = await fetch(location.href, { headers, cache: "no-store" });
      if (answer.redirected) {
        location.reload(); // the session has ended: to the page that asks for a token
      } else if (answer.status === 200) {
        etag = answer.headers.get("ETag");
        swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
      } else if (answer.status !== 304) {
        throw new Error("status " + answer.status);
      }
      heard = Date.now();
      lost.hidden = true;
    } catch {
      const seconds = Math.round((Date.now() - heard) / 1000);
      const text = "No answer from Pushwake since " + new Date(heard).toISOString().slice(11, 19) + " UTC; this page shows what was known then.";
      if (seconds > 8 && (lost.hidden || lost.textContent !== text)) { lost.textContent = text; lost.hidden = false; }
    }
  }

  function ages() {
    for (const one of document.querySelectorAll("[data-since]")) {
      const s = Math.max(0, Math.round((Date.now() - Date.parse(one.dataset.since)) / 1000));
      const parts = s < 60 ? [s + " s"] : s < 3600 ? [Math.floor(s / 60) + " min"] : s < 86400 ? [Math.floor(s / 3600) + " h", Math.floor(s % 3600 / 60) + " min"] : [Math.floor(s / 86400) + " d"];
      one.textContent = parts.join(" ");
    }
  }

  async function turn() {
    if (!document.hidden && seen.size) await refresh();
    setTimeout(turn, EVERY_MS);
  }
  document.addEventListener("visibilitychange", () => { if (!document.hidden && seen.size) refresh(); });
  setTimeout(turn, EVERY_MS);
  ages();
})();
