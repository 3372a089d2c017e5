// Plots of the last minutes: two lines each, told apart by colour, dash and name.
import {element, fill, in_time, in_words, shown} from './dom.js';

const WIDTH = 600;
const HEIGHT = 100;
const NAMESPACE = 'http://www.w3.org/2000/svg';

function svg(name, attributes) {
  const made = document.createElementNS(NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// A gap where there is no value; a value alone is a dot.
function path_of(points, value, most, longest) {
  let path = '';
  let is_open = false;
  for (const point of points) {
    const v = value(point);
    if (v === null || v === undefined) {
      is_open = false;
      continue;
    }
    const x = (WIDTH * (1 - point.ago_ms / longest)).toFixed(1);
    const y = (HEIGHT * (1 - v / most)).toFixed(1);
    path += is_open ? `L${x} ${y}` : `M${x} ${y}h0`;
    is_open = true;
  }
  return path;
}

function key_of({name, value}, i, points, write) {
  const sample = svg('svg', {viewBox: '0 0 30 10', 'aria-hidden': 'true'});
  sample.append(svg('path', {class: i ? 'plot-b' : 'plot-a', d: 'M0 5H30'}));
  const last = points.length ? value(points[points.length - 1]) : null;
  return element('span', {class: 'key'}, sample, `${name} ${write(last)}`);
}

function plot(title, lines, points, write) {
  const longest = Math.max(...points.map((point) => point.ago_ms), 60000);
  const values = points.flatMap((point) => lines.map(({value}) => value(point) ?? 0));
  const most = Math.max(...values, 0) || 1;
  const keys = lines.map((line, i) => key_of(line, i, points, write));
  const drawing = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    preserveAspectRatio: 'none',
    role: 'img',
    'aria-label': shown(`${title}, the last ${in_words(longest)}: at most ${write(most)}; now ` +
        keys.map((key) => key.textContent).join(', ')),
  });
  lines.forEach(({value}, i) => drawing.append(
      svg('path', {class: i ? 'plot-b' : 'plot-a', d: path_of(points, value, most, longest)})));
  return element('figure', {},
      element('figcaption', {}, element('strong', {}, title), ...keys),
      element('div', {class: 'frame'}, drawing, element('span', {'aria-hidden': 'true'}, write(most))),
      element('div', {class: 'ends', 'aria-hidden': 'true'},
          element('span', {}, `${in_words(longest)} ago`), element('span', {}, 'now')));
}

const per_second = (value) => value === null || value === undefined ? '-' : `${value.toFixed(1)}/s`;

const TITLES = {'track()': 'Time that track() takes', 'to disk': 'From track() to the disk',
  'to delivery': 'From the disk to Klaviyo'};

export function show_plots(place, history) {
  const plots = [plot('Events in a second', [
    {name: 'accepted', value: (point) => point.accepted_per_second},
    {name: 'delivered', value: (point) => point.delivered_per_second},
  ], history, per_second)];
  const measured = history.findLast((point) => point.latencies)?.latencies ?? [];
  measured.forEach(({name}, i) => plots.push(plot(TITLES[name] ?? name, [
    {name: 'half within', value: (point) => point.latencies?.[i]?.p50_seconds},
    {name: '99 % within', value: (point) => point.latencies?.[i]?.p99_seconds},
  ], history, in_time)));
  fill(place, ...plots);
}
