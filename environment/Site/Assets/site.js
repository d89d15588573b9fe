(() => {
  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches;
  const tell = () => document.dispatchEvent(new CustomEvent('themechange'));

  document.querySelector('[data-theme-button]').addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    try { localStorage.setItem('theme', root.dataset.theme); } catch { /* kept for this page only */ }
    tell();
  });
  dark.addEventListener('change', tell);

  const menu = document.querySelector('[data-menu-button]');
  menu.addEventListener('click', () => {
    const open = document.body.classList.toggle('menu-open');
    menu.setAttribute('aria-expanded', open);
  });

  const fold = document.querySelector('[data-fold]');
  fold?.addEventListener('click', () => {
    const cells = [...document.querySelectorAll('details.code')];
    const open = !cells.some(c => c.open);
    for (const cell of cells) cell.open = open;
    fold.textContent = open ? 'Hide all code' : 'Show all code';
  });

  // On narrow screens the contents begin folded.
  const contents = document.querySelector('.contents details');
  if (contents && matchMedia('(max-width: 1180px)').matches) contents.open = false;
  const entries = new Map([...document.querySelectorAll('.contents a')].map(a => [a.hash.slice(1), a]));
  if (entries.size > 0) {
    const headings = [...entries.keys()].map(id => document.getElementById(id));
    const mark = () => {
      const above = headings.filter(h => h.getBoundingClientRect().top < 140);
      const current = (above.at(-1) ?? headings[0]).id;
      for (const [id, link] of entries) {
        if (id === current) link.setAttribute('aria-current', 'true');
        else link.removeAttribute('aria-current');
      }
    };
    let waiting = false;
    addEventListener('scroll', () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; mark(); });
    }, { passive: true });
    mark();
  }

  // A slider shows one of the pictures beside it.
  for (const slider of document.querySelectorAll('figure.control input[type=range]')) {
    const pictures = slider.closest('div').querySelectorAll('img');
    slider.addEventListener('input', () => pictures.forEach((p, i) => { p.style.display = i === slider.valueAsNumber ? 'block' : 'none'; }));
  }
})();
