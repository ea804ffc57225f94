"use strict";
// Colours, and pages that keep themselves up: the server tells that something has changed, and what
// is otherwise on the page is swapped in place. Where it cannot be followed, the page asks instead.
(() => {
  const EVERY_MS = 4000; // between two questions while nobody tells
  const SILENCE_MS = 30000; // after which a page that is told nothing asks once: silence is news too
  const SPREAD_MS = 400; // so that not all who are told ask at the same moment
  const PATIENCE_MS = 15000; // with one answer
  const AGAIN_MS = 60000; // until a server that refused to be followed is tried again
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  window.pushwake = { theme, refresh, following: () => up };

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

  // Whether somebody has marked a text of this part, perhaps to copy it.
  function marked(part) {
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(part, true);
  }

  const typing = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select");
  const busy = (part) => typing(part) || touched(part) || marked(part);

  // Puts a part that the page had not had before behind those that come before it.
  function add(fresh) {
    let before = fresh.previousElementSibling;
    while (before && !(before.id && document.getElementById(before.id))) before = before.previousElementSibling;
    if (!before) return;
    document.getElementById(before.id).after(document.importNode(fresh, true));
    seen.set(fresh.id, fresh.outerHTML);
  }

  function drop(page) {
    for (const id of [...seen.keys()]) {
      const old = document.getElementById(id);
      if (page.getElementById(id) || (old && busy(old))) continue;
      old?.remove();
      seen.delete(id);
    }
  }

  function swap(page) {
    const active = document.activeElement;
    let any = false;
    drop(page);
    for (const fresh of live(page)) {
      const text = fresh.outerHTML;
      if (seen.get(fresh.id) === text) continue;
      const old = document.getElementById(fresh.id);
      if (old && busy(old)) {
        etag = null; // it is to be told again
        continue;
      }
      any = true;
      if (!old) {
        add(fresh);
        continue;
      }
      seen.set(fresh.id, text);
      const had = old.contains(active) ? [...old.querySelectorAll("a, button, summary, [tabindex]")].indexOf(active) : -1;
      const across = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
      const put = document.importNode(fresh, true);
      keep(old, put);
      old.replaceWith(put);
      put.querySelectorAll(".scroll").forEach((one, n) => { one.scrollLeft = across[n] || 0; });
      if (had >= 0) [...put.querySelectorAll("a, button, summary, [tabindex]")][had]?.focus({ preventScroll: true });
    }
    document.title = page.title;
    if (any) { ages(); changed(); }
  }

  async function refresh() {
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const answer = await fetch(location.href, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
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

  let stream = null;
  let up = false; // whether the server tells what changes
  let proven = false; // whether anything ever came: something between us may hold events back
  let due = false;
  let asking = false;
  let timer = 0;

  function later(ms) {
    clearTimeout(timer);
    timer = setTimeout(ask, ms);
  }

  async function ask() {
    if (asking) return; // whoever asks sees what is due
    asking = true;
    do { due = false; await refresh(); } while (due);
    asking = false;
    if (!document.hidden) later(up ? SILENCE_MS : EVERY_MS);
  }

  function told() {
    up = proven = due = true;
    heard = Date.now();
    later(Math.random() * SPREAD_MS);
  }

  function follow() {
    const mine = stream = new EventSource("/v1/events");
    for (const kind of ["position", "reset", "incident", "window", "condition", "change"])
      mine.addEventListener(kind, told);
    mine.addEventListener("open", () => { up = proven; });
    mine.addEventListener("error", () => {
      if (up) later(EVERY_MS);
      up = false;
      if (mine.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      setTimeout(() => { if (stream === mine) follow(); }, AGAIN_MS);
    });
  }

  // Browsers keep few connections to one server: pages that nobody sees hold none.
  function leave() {
    clearTimeout(timer);
    stream?.close();
    stream = null;
    up = proven = false;
  }

  function wake() {
    leave();
    if (document.hidden) return;
    follow();
    due = true;
    ask();
  }

  if (seen.size) {
    document.addEventListener("visibilitychange", wake);
    addEventListener("pagehide", leave);
    addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
    if (!document.hidden) { follow(); later(EVERY_MS); }
  }
  ages();
})();
