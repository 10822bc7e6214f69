// What the page draws: numbers, sparklines, curves and histograms.

import uPlot from '/uplot.js';

/** An element with its properties and children; text is never taken for markup. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'class') made.className = value;
    else if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const whole = new Intl.NumberFormat('en');

export function count(value) {
  return value === null || value === undefined ? '–' : whole.format(value);
}

export function perSecond(value) {
  if (value === null || value === undefined) return '–';
  return value === 0 ? '0' : value < 10 ? value.toFixed(2) : whole.format(Math.round(value));
}

/** Seconds as a text with one or two units. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const s = Number(seconds);
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 120) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}

export function ago(time) {
  return time ? `${duration(Math.max(0, (Date.now() - new Date(time)) / 1000))} ago` : 'never';
}

/** A small curve, from zero up; a gap where a value is not known. */
export function sparkline(values) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'spark');
  svg.setAttribute('viewBox', '0 0 100 20');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  const max = Math.max(1e-9, ...values.filter((value) => value !== null));
  let path = '';
  let pen = 'M';
  values.forEach((value, i) => {
    if (value === null) pen = 'M';
    else {
      path += `${pen}${((i * 100) / Math.max(1, values.length - 1)).toFixed(1)},${(19 - (value * 18) / max).toFixed(1)}`;
      pen = 'L';
    }
  });
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  line.setAttribute('d', path);
  svg.append(line);
  return svg;
}

const colors = { light: ['#2563b0', '#1a7f4b', '#b25e00', '#b42318'], dark: ['#7fb2f0', '#6ccf98', '#f5b04c', '#ff8a7d'] };

/** Curves over one axis of time; returns uPlot's object, whose setData takes new points. */
export function chart(parent, title, names, data) {
  const style = getComputedStyle(document.documentElement);
  const dim = style.getPropertyValue('--dim');
  const line = style.getPropertyValue('--line');
  const dark = document.documentElement.dataset.theme === 'dark';
  const axis = { stroke: dim, grid: { stroke: line }, ticks: { stroke: line } };
  return new uPlot(
    {
      title,
      width: Math.max(260, Math.min(620, parent.clientWidth || 420)),
      height: 190,
      axes: [axis, { ...axis, size: 60 }],
      scales: { y: { range: (_, min, max) => [0, Math.max(1, max)] } },
      series: [
        {},
        ...names.map((label, i) => ({
          label,
          stroke: colors[dark ? 'dark' : 'light'][i],
          width: 1.5,
          value: (_, value) => (value === null || value === undefined ? '–' : value.toFixed(value < 10 ? 2 : 0)),
        })),
      ],
    },
    data,
    parent,
  );
}

/** Bars of a histogram: the upper bounds (seconds; the last one has none) and the counts. */
export function histogram(bounds, counts) {
  const max = Math.max(1, ...counts);
  const box = element('div', { class: 'histogram' });
  counts.forEach((n, i) => {
    const label = i < bounds.length ? `≤ ${duration(bounds[i])}` : `> ${duration(bounds[bounds.length - 1])}`;
    box.append(
      element('span', { class: 'n dim' }, label),
      element('meter', { min: 0, max, value: n, 'aria-label': label }),
      element('span', { class: 'n' }, count(n)),
    );
  });
  return box;
}
