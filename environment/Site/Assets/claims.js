// Filters the table of all claims by words, notebook and outcome.
(() => {
  const form = document.querySelector('form.filter');
  if (!form) return;
  const rows = [...document.querySelectorAll('table.claims.all tbody tr')].map(row => ({ row, text: row.textContent.toLowerCase() }));
  const filter = () => {
    const words = form.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const [notebook, outcome] = [form.elements.notebook.value, form.elements.outcome.value];
    let shown = 0;
    for (const { row, text } of rows) {
      const fits = words.every(w => text.includes(w)) && (!notebook || row.dataset.notebook === notebook) && (!outcome || row.dataset.outcome === outcome);
      row.hidden = !fits;
      if (fits) shown++;
    }
    form.querySelector('output').textContent = `${shown} of ${rows.length} shown`;
  };
  form.addEventListener('input', filter);
  form.addEventListener('submit', event => event.preventDefault());
  filter();
})();
