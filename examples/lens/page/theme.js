// Light or dark, where somebody chose: kept in this browser. Before anything is drawn, so that
// nothing changes its colours before one's eyes; that is why it is no module.

function theme(chosen) {
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
}

// A browser may forbid to keep anything.
function kept() {
  try {
    return localStorage.getItem("theme") ?? "";
  } catch {
    return "";
  }
}

theme(kept());
document.addEventListener("DOMContentLoaded", () => {
  const choice = document.getElementById("theme");
  choice.value = kept();
  choice.addEventListener("change", () => {
    theme(choice.value);
    try {
      localStorage.setItem("theme", choice.value);
    } catch {
      // It holds until the page is left.
    }
  });
});
