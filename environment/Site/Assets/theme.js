// Runs before the page is drawn, so that it never flashes in the other colours.
(() => {
  const root = document.documentElement;
  root.classList.add('js');
  try {
    const chosen = localStorage.getItem('theme');
    if (chosen === 'light' || chosen === 'dark') root.dataset.theme = chosen;
  } catch {
    // Without storage the system's choice stands.
  }
})();
