// Light, dark, or as the system says. Runs before the first paint, so that nothing flashes, and without WebAssembly.
(() => {
  const KEY = "flotilla-theme";
  const root = document.documentElement;

  function choice() {
    try {
      return localStorage.getItem(KEY) || "system";
    } catch {
      return "system";
    }
  }

  function apply() {
    const theme = choice();
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-choose-theme]")) {
      button.setAttribute("aria-pressed", String(button.dataset.chooseTheme === theme));
    }
  }

  apply();
  document.addEventListener("DOMContentLoaded", apply);
  addEventListener("storage", apply);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-choose-theme]");
    if (!button) return;
    try {
      localStorage.setItem(KEY, button.dataset.chooseTheme);
    } catch {
      // Without storage the choice cannot be kept.
    }
    apply();
  });
})();
