// Searches the prebuilt index, which is loaded when the box is first used.
(() => {
  const box = document.querySelector('.search input');
  const panel = document.getElementById('found');
  const root = document.documentElement.dataset.root;
  const most = 12;
  let index, keys;

  const load = () => index ??= new Promise((done, failed) => {
    const element = document.createElement('script');
    element.src = root + 'assets/search-index.js';
    element.onload = () => { keys = Object.keys(window.siteIndex.words).sort(); done(window.siteIndex); };
    element.onerror = failed;
    document.head.append(element);
  });

  // The first place in the sorted words that is not before this one.
  function place(word) {
    let [low, high] = [0, keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (keys[middle] < word) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // The weight of every section that holds a word with this beginning; the whole word counts most.
  function sectionsOf(word, words) {
    const weights = new Map();
    for (let i = place(word); i < keys.length && keys[i].startsWith(word); i++) {
      const places = words[keys[i]];
      for (let p = 0; p < places.length; p += 2) {
        const weight = places[p + 1] * (keys[i] === word ? 3 : 1);
        weights.set(places[p], Math.max(weights.get(places[p]) ?? 0, weight));
      }
    }
    return weights;
  }

  function find(query, { words, sections }) {
    const asked = query.toLowerCase().match(/[\p{L}\p{Nd}]+/gu) ?? [];
    if (asked.length === 0) return { asked, hits: [] };
    const found = asked.map(word => sectionsOf(word, words));
    const hits = [...new Set(found.flatMap(f => [...f.keys()]))].map(s => {
      const weights = found.filter(f => f.has(s)).map(f => f.get(s));
      return { section: sections[s], words: weights.length, weight: weights.reduce((sum, w) => sum + Math.log2(1 + w), 0) };
    });
    // Where no section has all the words, those with most of them.
    const best = Math.max(0, ...hits.map(h => h.words));
    return { asked, hits: hits.filter(h => h.words === best).sort((a, b) => b.weight - a.weight).slice(0, most) };
  }

  function marked(text, asked) {
    const parts = document.createDocumentFragment();
    let at = 0;
    for (const match of text.matchAll(/[\p{L}\p{Nd}]+/gu)) {
      if (!asked.some(a => match[0].toLowerCase().startsWith(a))) continue;
      const mark = document.createElement('mark');
      mark.textContent = match[0];
      parts.append(text.slice(at, match.index), mark);
      at = match.index + match[0].length;
    }
    parts.append(text.slice(at));
    return parts;
  }

  function excerpt(text, asked) {
    const first = [...text.matchAll(/[\p{L}\p{Nd}]+/gu)].find(m => asked.some(a => m[0].toLowerCase().startsWith(a)))?.index ?? 0;
    const from = first < 60 ? 0 : text.indexOf(' ', first - 60) + 1;
    const end = from + 170 < text.length ? text.lastIndexOf(' ', from + 170) : text.length;
    return (from > 0 ? '… ' : '') + text.slice(from, end) + (end < text.length ? ' …' : '');
  }

  function element(name, className, ...content) {
    const made = document.createElement(name);
    made.className = className;
    made.append(...content);
    return made;
  }

  function show(query, site) {
    const { asked, hits } = find(query, site);
    panel.replaceChildren();
    panel.hidden = asked.length === 0;
    box.setAttribute('aria-expanded', !panel.hidden);
    if (panel.hidden) return;
    if (hits.length === 0) panel.append(element('p', 'nothing', 'Nothing was found; try another word or its beginning.'));
    const list = element('ol', '');
    for (const { section: [page, anchor, heading, text] } of hits) {
      const link = element('a', '', element('b', '', marked(heading, asked)), element('span', 'from', site.pages[page]), element('span', 'excerpt', marked(excerpt(text, asked), asked)));
      link.href = `${root}${page}#${anchor}`;
      list.append(element('li', '', link));
    }
    panel.append(list);
  }

  const close = () => { panel.hidden = true; box.setAttribute('aria-expanded', false); };
  box.addEventListener('focus', load, { once: true });
  box.addEventListener('input', async () => show(box.value, await load()));
  document.addEventListener('click', event => { if (!event.target.closest('.search')) close(); });
  panel.addEventListener('click', event => { if (event.target.closest('a')) close(); });
  document.addEventListener('keydown', event => {
    if (event.key === '/' && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      box.focus();
    }
    if (event.key === 'Escape' && !panel.hidden) { close(); box.focus(); }
    if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && event.target.closest?.('.search') && !panel.hidden) {
      event.preventDefault();
      const stops = [box, ...panel.querySelectorAll('a')];
      const next = stops.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
      stops[(next + stops.length) % stops.length].focus();
    }
    if (event.key === 'Enter' && event.target === box) panel.querySelector('a')?.click();
  });
})();
