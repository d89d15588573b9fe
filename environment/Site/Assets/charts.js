// Charts are drawn when they come near the window; until then, in print, and where no script runs, their still picture stands in their place.
(() => {
  const figures = [...document.querySelectorAll('figure.chart')];
  if (figures.length === 0) return;
  const root = document.documentElement;
  const isDark = () => getComputedStyle(root).getPropertyValue('color-scheme') === 'dark'
    || (!root.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
  const narrow = 560;
  // What is dark on white becomes light on black (a line's white rim becomes dark), and the palette's strong colours a little lighter; they stay as far apart.
  const lighter = {
    '#ffffff': '#14171c', '#000000': '#f2f2f2', '#222222': '#dfe3e8', '#333333': '#d0d5db', '#444444': '#a9b1bb', '#666666': '#a9b1bb', '#e6e6e6': '#343b44',
    '#0072b2': '#4a9fe0', '#d55e00': '#ec7a3c', '#009e73': '#2bb891',
    '#804400': '#c98f52', '#2d2080': '#a99df5',
  };
  let script;

  const loadPlotly = () => script ??= new Promise((done, failed) => {
    const element = document.createElement('script');
    element.src = root.dataset.root + 'assets/plotly.js';
    element.onload = done;
    element.onerror = () => failed(new Error('the script that draws charts could not be loaded'));
    document.head.append(element);
  });

  const hex = numbers => '#' + numbers.map(n => Number(n).toString(16).padStart(2, '0')).join('');
  const channels = colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16)).join(',');

  function recolour(value) {
    if (typeof value === 'string') {
      const faded = value.match(/^rgba\((\d+),\s*(\d+),\s*(\d+),\s*([\d.]+)\)$/);
      const solid = faded ? hex(faded.slice(1, 4)) : value.toLowerCase();
      return !lighter[solid] ? value : faded ? `rgba(${channels(lighter[solid])},${faded[4]})` : lighter[solid];
    }
    if (Array.isArray(value)) return value.map(recolour);
    if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, k === 'colorscale' ? v : recolour(v)]));
    return value;
  }

  // Plotly does not break titles into lines; a narrow chart needs it.
  function broken(text, letters) {
    const lines = [''];
    for (const word of text.split(' ')) {
      if (lines.at(-1) && lines.at(-1).length + word.length + 1 > letters) lines.push(word);
      else lines[lines.length - 1] += (lines.at(-1) ? ' ' : '') + word;
    }
    return lines.join('<br>');
  }

  function axesOf(layout, kind) {
    return Object.keys(layout).filter(k => k.startsWith(kind)).map(k => layout[k]);
  }

  // Charts that stand side by side would be too small on a narrow screen: one below the other, each with its title, its axes and its scale of colours.
  function stack(data, layout) {
    const [each, gap] = [210, 96];
    const plot = layout.annotations.length * (each + gap) - gap;
    layout.annotations.forEach((title, i) => {
      const suffix = i === 0 ? '' : i + 1;
      const top = 1 - i * (each + gap) / plot;
      const bottom = Math.max(0, top - each / plot);
      layout['xaxis' + suffix].domain = [0, 1];
      layout['yaxis' + suffix].domain = [bottom, top];
      Object.assign(title, { x: 0, y: top });
      for (const { yaxis, colorbar } of data) if (colorbar && yaxis === 'y' + suffix) Object.assign(colorbar, { x: 1.01, y: (bottom + top) / 2, len: each / plot });
    });
    layout.height = plot + layout.margin.t + layout.margin.b + (layout.showlegend ? 40 : 0);
    if (layout.legend) layout.legend.y = -58 / plot;
    return each;
  }

  function narrowed(data, layout, width) {
    const across = axesOf(layout, 'xaxis');
    const up = axesOf(layout, 'yaxis');
    layout.margin = { ...layout.margin, l: 62, r: 12 };
    const isGrid = across.length > 1 && layout.annotations?.length === across.length;
    const each = isGrid ? stack(data, layout) : layout.height - layout.margin.t - layout.margin.b;
    for (const [axes, room] of [[across, width - 90], [up, each]])
      for (const axis of axes) axis.title = { ...axis.title, text: broken(axis.title?.text ?? '', Math.floor(room / 7)), font: { size: 13 } };
    if (layout.showlegend) layout.height += 20 * Math.max(0, data.filter(t => t.name && t.showlegend !== false).length - 1);
  }

  function prepare(figure) {
    let { data, layout } = JSON.parse(figure.querySelector('script').textContent);
    const night = isDark();
    if (night) [data, layout] = [recolour(data), recolour(layout)];
    const paper = night ? '#1c2027' : '#ffffff';
    Object.assign(layout, { paper_bgcolor: paper, plot_bgcolor: paper });
    // The title stands above the chart as text of the page.
    const title = 38;
    delete layout.title;
    layout.margin = { ...layout.margin, t: Math.max(14, (layout.margin?.t ?? 52) - title) };
    layout.height = (layout.height ?? 400) - title;
    layout.width = figure.querySelector('.canvas').clientWidth;
    layout.autosize = false;
    if (layout.width < narrow) narrowed(data, layout, layout.width);
    const isTouched = matchMedia('(pointer: coarse)').matches;
    if (isTouched) layout.dragmode = false;
    return { data, layout, config: { displaylogo: false, responsive: false, displayModeBar: isTouched ? false : 'hover', modeBarButtonsToRemove: ['select2d', 'lasso2d'] } };
  }

  async function draw(figure) {
    try {
      await loadPlotly();
      const { data, layout, config } = prepare(figure);
      await Plotly.react(figure.querySelector('.plot'), data, layout, config);
      figure.classList.add('drawn');
    } catch (error) {
      figure.classList.remove('drawn');
      console.error(`A chart could not be drawn, its still picture stays: ${error.message}`);
    }
  }

  const watch = new IntersectionObserver(seen => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      draw(target);
    }
  }, { rootMargin: '500px 0px' });
  for (const figure of figures) watch.observe(figure);

  const redraw = () => { for (const figure of figures) if (figure.classList.contains('drawn')) draw(figure); };
  document.addEventListener('themechange', redraw);
  let wait, room = innerWidth;
  addEventListener('resize', () => {
    if (innerWidth === room) return;
    room = innerWidth;
    clearTimeout(wait);
    wait = setTimeout(redraw, 200);
  });
})();
