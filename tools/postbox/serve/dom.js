// Elements out of texts. Whatever comes from outside enters the page as text, and nowhere else.

// Characters without a form of their own, and those that change the direction of what follows,
// become a mark.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
export const shown = (value) => String(value ?? '').replace(UNSEEN, '\ufffd');

// `attributes` are this program's own; `children` are elements, or values that become text.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  fill(made, ...children);
  return made;
}

export function fill(parent, ...children) {
  parent.replaceChildren(...children.map((child) => child instanceof Node ? child : shown(child)));
}

export const find = (id) => document.getElementById(id);

// `columns`: {heading, number, long, buttons}; `rows`: {cells, bad, id}. A cell is an element or a value. The roles
// are said, because on a phone a row is laid out as a card, which would take them away.
export function table(caption, columns, rows) {
  const head = columns.map(({heading, number}) =>
      element('th', {role: 'columnheader', scope: 'col', class: number ? 'number' : 'text'}, heading));
  const body = rows.map(({cells, bad, id}) =>
      element('tr', {role: 'row', ...(bad && {class: 'bad'}), ...(id !== undefined && {'data-id': id})},
          ...cells.map((cell, i) => cell_of(cell, columns[i]))));
  return element('table', {role: 'table'}, element('caption', {}, caption),
      element('thead', {role: 'rowgroup'}, element('tr', {role: 'row'}, ...head)),
      element('tbody', {role: 'rowgroup'}, ...body));
}

function cell_of(cell, {heading, number, buttons, long}) {
  const kind = buttons ? 'buttons' : number ? 'number' : long ? 'long' : 'text';
  const held = cell instanceof Node ? cell : element('span', {class: 'foreign'}, cell);
  return element('td', {role: 'cell', class: kind, 'data-heading': heading}, held);
}

// "350ms", "12s", "5m 3s", "3h 20m", "2d 4h", as the commands write it.
export function in_words(milliseconds) {
  const units = [[86400000, 'd'], [3600000, 'h'], [60000, 'm'], [1000, 's']];
  const i = units.findIndex(([size]) => milliseconds >= size);
  if (i < 0) return `${Math.floor(milliseconds)}ms`;
  const [size, unit] = units[i];
  const words = `${Math.floor(milliseconds / size)}${unit}`;
  const next = units[i + 1];
  const rest = next ? Math.floor(milliseconds % size / next[0]) : 0;
  return rest ? `${words} ${rest}${next[1]}` : words;
}

// "85us", "1.3ms", "2.5s", "3h 20m".
export function in_time(seconds) {
  if (seconds === null || seconds === undefined) return '-';
  if (seconds >= 60) return in_words(seconds * 1000);
  if (seconds >= 1) return `${seconds.toPrecision(3)}s`;
  return seconds >= 0.001 ? `${(seconds * 1000).toPrecision(3)}ms` : `${(seconds * 1e6).toPrecision(3)}us`;
}

export function in_size(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; bytes >= 1024 && unit + 1 < units.length; ++unit) bytes /= 1024;
  return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
}

export const counted = (number, what) => `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`;
