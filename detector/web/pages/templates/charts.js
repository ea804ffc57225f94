"use strict";
// Draws every chart whose spec stands in the page; a chart stays until its successor is drawn.
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const source = document.currentScript.dataset.vega;
  const drawn = new WeakMap();
  let loading = null;

  // The library, on pages that had no chart when they were loaded.
  function library() {
    loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = resolve;
      script.onerror = () => reject(new Error("the library did not come"));
      document.head.append(script);
    });
    return loading;
  }

  async function embed(place, text) {
    const theme = window.pushwake.theme();
    const key = theme + text;
    if (drawn.get(place) === key) return;
    drawn.set(place, key);
    const fresh = document.createElement("div");
    fresh.className = "drawing coming";
    place.append(fresh);
    try {
      if (!window.vegaEmbed) await library();
      await vegaEmbed(fresh, JSON.parse(text), {
        ast: true,
        config: themes[theme],
        renderer: "svg",
        defaultStyle: false,
        forceActionsMenu: true,
        actions: { export: true, source: false, compiled: false, editor: false },
        downloadFileName: place.id,
        tooltip: { theme, disableDefaultStyle: true },
      });
      const summary = fresh.querySelector("summary");
      if (summary) summary.setAttribute("aria-label", "Save this chart");
      place.dataset.drawn = "yes";
    } catch (error) {
      fresh.textContent = "This chart could not be drawn: " + error.message;
      place.dataset.drawn = "no";
    }
    for (const old of place.querySelectorAll(":scope > .drawing")) if (old !== fresh) old.remove();
    fresh.classList.remove("coming");
  }

  async function draw() {
    for (const holder of document.querySelectorAll("script[data-plot]"))
      await embed(document.getElementById(holder.dataset.plot), holder.textContent);
    document.documentElement.dataset.charts = "drawn";
  }

  document.addEventListener("pushwake:changed", draw);
  draw();
})();
