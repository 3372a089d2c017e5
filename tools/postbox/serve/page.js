// The page: asks every two seconds, while somebody looks, and shows the answer.
import {status, take_token, use_token} from './api.js';
import {counted, element, fill, find, in_size, in_time, in_words, table} from './dom.js';
import {follow, start_events} from './events.js';
import {start_order_search} from './order.js';
import {show_plots} from './plots.js';

const BETWEEN_LOOKS = 2000;

const total = (families, name) => families.reduce((sum, family) => sum + family[name], 0);
const rate = (value) => value === undefined ? '-' : `${value.toFixed(1)}/s`;

function show_problems(problems) {
  fill(find('problems'), problems.length === 0 ? element('p', {class: 'well'}, 'None is known.') :
      element('ul', {class: 'problems'}, ...problems.map((text) => element('li', {}, text))));
}

function show_figures({rates, status: {families, outbox, totals}}) {
  const oldest = Math.max(...families.map((family) => family.oldest_ms ?? -1));
  const dead = total(families, 'dead');
  const figures = [['Accepted', rate(rates?.accepted_per_second)], ['Delivered', rate(rates?.delivered_per_second)],
    ['Waiting', total(families, 'waiting') + total(families, 'delayed')], ['Held', total(families, 'held')],
    ['Dead', dead, dead > 0], ['The oldest waits', oldest < 0 ? '-' : in_words(oldest)]];
  fill(find('figures'), ...figures.map(([name, value, bad]) => element('div', bad ? {class: 'bad'} : {},
      element('dt', {}, name), element('dd', {}, typeof value === 'number' ? value.toLocaleString('en') : value))));
  fill(find('outbox'), `${outbox.file}: ${in_size(outbox.used_bytes)} of ${in_size(outbox.max_bytes)}. So far ` +
      `${counted(totals.accepted, 'event')} accepted, ${totals.fired.toLocaleString('en')} from timers, ` +
      `${totals.delivered.toLocaleString('en')} delivered, ${totals.purged.toLocaleString('en')} removed, ` +
      `${totals.expired.toLocaleString('en')} expired; ${counted(outbox.timers, 'timer')} running.`);
}

// The flag of this environment, and the server's where it has applied another.
function flag_of(family, flags) {
  const line = flags.find((flag) => flag.family === family.family);
  if (!line || line.server === null || line.server === line.here) return family.flag;
  return `${line.server} in the server, ${line.here} in the environment`;
}

function show_families(families, flags) {
  const columns = [{heading: 'Family'}, {heading: 'Flag'}, ...['Waiting', 'Delayed', 'Held', 'Dead']
      .map((heading) => ({heading, number: true})), {heading: 'Oldest'}];
  const rows = families.filter((family) => !family.family.endsWith(' history') ||
      family.waiting + family.delayed + family.held + family.dead > 0);
  fill(find('families'), table('Events by family and where they are', columns, rows.map((family) => ({
    bad: family.dead > 0,
    cells: [family.family, flag_of(family, flags), family.waiting, family.delayed, family.held, family.dead,
      family.oldest_ms === null ? '-' : in_words(family.oldest_ms)],
  }))));
}

function lanes_of(lanes) {
  const columns = [{heading: 'Endpoint'}, ...['Used', 'Left', 'Limit', 'In flight']
      .map((heading) => ({heading, number: true})), {heading: 'Pauses for'}];
  return table('Quota windows: requests of ours', columns, lanes.map((lane) => ({
    bad: lane.closed_seconds > 0,
    cells: [lane.lane, lane.window_limit - lane.window_left, lane.window_left, lane.window_limit, lane.in_flight,
      lane.closed_seconds > 0 ? in_time(lane.closed_seconds) : '-'],
  })));
}

const MOST_ROWS = 50;

function troubles_of(all) {
  const troubles = all.slice(0, MOST_ROWS);
  if (troubles.length === 0) return element('p', {class: 'well'}, 'Nothing failed since the server\'s start.');
  const columns = [{heading: 'Outcome'}, {heading: 'Cause', long: true}, {heading: 'Family'},
    {heading: 'Metric', long: true}, {heading: 'Endpoint'}, {heading: 'Events', number: true}];
  const part = all.length > MOST_ROWS ? `, ${MOST_ROWS} of ${all.length}` : '';
  return table(`What failed since the server's start${part}`, columns, troubles.map((trouble) => ({
    bad: trouble.outcome === 'dead',
    cells: [trouble.outcome.replace('_', ' '), trouble.cause, trouble.family, trouble.type, trouble.lane,
      trouble.events],
  })));
}

function show_server({server, metrics_url}) {
  if (server) return fill(find('server'), lanes_of(server.lanes), troubles_of(server.troubles));
  fill(find('server'), element('p', {class: 'quiet'}, metrics_url ?
      `The server's metrics at ${metrics_url} cannot be read: see Problems.` :
      'Latencies, quota windows and what failed are known to the running server alone: start this page with ' +
      '--metrics and the address of its GET /metrics, such as --metrics http://127.0.0.1:8080/metrics.'));
}

function connection(text, kind) {
  const place = find('connection');
  if (place.textContent !== text) fill(place, text);
  place.className = kind;
}

function show_login(why) {
  connection('Not connected', 'failed');
  find('content').hidden = true;
  find('login').hidden = false;
  fill(find('login-why'), why);
  find('login-token').focus();
}

async function look() {
  const answer = await status();
  find('login').hidden = true;
  find('content').hidden = false;
  show_problems(answer.status.problems);
  show_figures(answer);
  show_plots(find('plots'), answer.history);
  show_families(answer.status.families, answer.flags);
  show_server(answer);
  await follow(answer.status.families, answer.held);
  connection('Live: looks every two seconds', 'live');
}

let timer = 0;

// The next look waits longer where looks take long.
async function look_and_go_on() {
  clearTimeout(timer);
  const start = performance.now();
  try {
    await look();
  } catch (failure) {
    if (failure.status === 401) return show_login(failure.message);
    connection(failure.message, 'failed');
  }
  clearTimeout(timer);
  const pause = Math.max(BETWEEN_LOOKS, 10 * (performance.now() - start));
  if (!document.hidden) timer = setTimeout(look_and_go_on, pause);
}

take_token();
start_events();
start_order_search();
find('login-form').addEventListener('submit', (submitted) => {
  submitted.preventDefault();
  use_token(find('login-token').value);
  find('login-token').value = '';
  look_and_go_on();
});
addEventListener('hashchange', () => {
  take_token();
  look_and_go_on();
});
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && find('login').hidden) look_and_go_on();
});
look_and_go_on();
