"use strict";
(() => {
  const root = document.documentElement;
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  let turn = 0;

  async function draw() {
    const mine = ++turn;
    for (const holder of document.querySelectorAll("script[data-plot]")) {
      const plot = document.getElementById(holder.dataset.plot);
      try {
        await vegaEmbed(plot, JSON.parse(holder.textContent), {
          config: themes[theme()],
          renderer: "svg",
          actions: { export: true, source: false, compiled: false, editor: false },
          downloadFileName: holder.dataset.plot,
          tooltip: { theme: theme() },
        });
        const summary = plot.querySelector("summary");
        if (summary) summary.setAttribute("aria-label", "Save this chart");
        plot.dataset.drawn = "yes";
      } catch (error) {
        plot.textContent = "This chart could not be drawn: " + error.message;
        plot.dataset.drawn = "no";
      }
      if (mine !== turn) return;
    }
    root.dataset.charts = "drawn";
  }

  function name() {
    const other = theme() === "dark" ? "Light" : "Dark";
    button.textContent = other + " colours";
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    name();
    draw();
  });
  dark.addEventListener("change", () => { name(); draw(); });
  name();
  draw();
})();
