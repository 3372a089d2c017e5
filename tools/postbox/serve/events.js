// Dead letters and held events: listed, shown, replayed, removed.
import {ask} from './api.js';
import {counted, element, fill, find, in_words, table} from './dom.js';

const KINDS = {dead: 'dead letter', held: 'held event'};

let filters = {kind: 'dead'};  // those of the list that is shown
let after = null;              // the list begins behind this event
let listed = [];
let is_filtered = false;

const say = (text) => fill(find('events-message'), text);
const name_of = (event) =>
  `${KINDS[filters.kind]} ${event.id} (${event.metric || 'damaged'}, ${event.key || 'no key'})`;

function read_filters() {
  const form = new FormData(find('events-form'));
  filters = Object.fromEntries([...form].map(([name, value]) => [name, value.trim()]));
  if (filters.kind === 'held') delete filters.reason;
  is_filtered = Boolean(filters.metric || filters.reason || filters.older_than);
}

function show_kind() {
  const is_dead = filters.kind === 'dead';
  for (const id of ['reason-label', 'replay-all', 'backfill-label']) find(id).hidden = !is_dead;
  find('held-note').hidden = is_dead;
}

function button(text, label, act, kind = '') {
  const made = element('button', {type: 'button', 'aria-label': label, 'data-act': text, class: kind}, text);
  made.addEventListener('click', () => act().catch((failure) => say(failure.message)));
  return made;
}

function buttons_of(event) {
  const name = name_of(event);
  const made = [button('Show', `Show ${name}`, () => show_event(event))];
  if (filters.kind === 'dead') made.push(button('Replay', `Replay ${name}`, () => change('replay', [event])));
  made.push(button('Remove', `Remove ${name}`, () => change('purge', [event]), 'danger'));
  return element('div', {}, ...made);
}

function show_list(more) {
  const is_dead = filters.kind === 'dead';
  find('next').hidden = !more;
  for (const id of ['replay-all', 'purge-all']) find(id).disabled = listed.length === 0;
  if (listed.length === 0) {
    const none = `There is no ${KINDS[filters.kind]}${is_filtered ? ' that matches' : ''}.`;
    return fill(find('events'), element('p', {class: 'well'}, none));
  }
  const columns = [{heading: 'Id', number: true}, {heading: 'Family'}, {heading: 'Metric', long: true},
    {heading: 'Key', long: true}, {heading: 'Age'}, ...(is_dead ? [{heading: 'Reason', long: true}] : []),
    {heading: 'Do', buttons: true}];
  const rows = listed.map((event) => ({id: event.id, cells: [event.id, event.family, event.metric, event.key,
    in_words(event.age_ms), ...(is_dead ? [event.reason] : []), buttons_of(event)]}));
  const caption = `${is_dead ? 'Dead letters' : 'Held events'}, the oldest first`;
  fill(find('events'), table(caption, columns, rows));
}

let loads = 0;

// Lists anew; of several at once the last counts. The keyboard stays where it was; where that is
// gone, it is at the heading.
async function load() {
  const own = ++loads;
  const {events, more} = await ask('list', {...filters, after});
  if (own !== loads) return;
  const was = document.activeElement?.closest('#events button');
  const id = was?.closest('tr').dataset.id;
  const act = was?.dataset.act;
  listed = events;
  show_list(more);
  if (!was) return;
  const same = find('events').querySelector(`tr[data-id="${Number(id)}"] button[data-act="${act}"]`);
  (same ?? find('events-title')).focus();
}

function confirmed(question, note, verb, is_danger) {
  const dialog = find('confirm');
  fill(find('confirm-question'), question);
  fill(find('confirm-note'), note);
  fill(find('confirm-yes'), verb);
  find('confirm-yes').className = is_danger ? 'danger' : '';
  dialog.returnValue = '';
  dialog.showModal();
  find(is_danger ? 'confirm-no' : 'confirm-yes').focus();
  return new Promise((resolve) =>
      dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), {once: true}));
}

async function question_of(verb, events) {
  if (events.length === 1) return {question: `${verb} ${name_of(events[0])}?`, note: '', meant: 1};
  const {meant, more, part} = await ask('count', filters);
  const which = part ? 'the oldest ' : more ? 'more than ' : '';
  return {meant, question: `${verb} ${which}${counted(meant, KINDS[filters.kind])}?`,
    note: part ? `There are more; \`postbox ${filters.kind}\` takes them all at once.` : ''};
}

// One event, or with none all that match.
async function change(what, events) {
  const verb = what === 'replay' ? 'Replay' : 'Remove';
  const {question, note, meant} = await question_of(verb, events);
  if (meant === 0) return say('None matches any more.');
  if (!await confirmed(question, note, verb, what === 'purge')) return say('Nothing was changed.');
  say('Working …');
  const which = events.length === 1 ? {kind: filters.kind, id: events[0].id} : filters;
  const {done} = await ask(what, {...which, backfill: find('backfill').checked});
  const left = what === 'replay' && done < meant ?
      ` ${counted(meant - done, 'other')} stayed: their key is waiting already, or they are damaged.` : '';
  say(`${what === 'replay' ? 'Replayed' : 'Removed'} ${counted(done, KINDS[filters.kind])}.${left}`);
  await load();
}

async function show_event(event) {
  const answer = await ask('show', {kind: filters.kind, id: event.id});
  if (!answer.found) return say(`There is no ${name_of(event)} any more.`);
  const members = Object.entries(answer).filter(([name]) => name !== 'event' && name !== 'found');
  const list = element('dl', {}, ...members.flatMap(([name, value]) => name.endsWith('_ms') ?
      [element('dt', {}, name.slice(0, -3)), element('dd', {}, in_words(value))] :
      [element('dt', {}, name), element('dd', {}, value)]));
  const text = answer.event === null ? 'The stored event is damaged.' : JSON.stringify(answer.event, null, 2);
  fill(find('details-title'), name_of(event));
  fill(find('details-body'), list,
      element('pre', {tabindex: '0', role: 'region', 'aria-label': 'The event as it is sent'}, text));
  find('details').showModal();
  find('details-title').focus();
}

async function list_from_start() {
  read_filters();
  show_kind();
  after = null;
  await load();
}

const failing = (act) => () => act().catch((failure) => say(failure.message));

export function start_events() {
  find('events-form').addEventListener('submit', (submitted) => {
    submitted.preventDefault();
    say('');
    failing(list_from_start)();
  });
  find('events-form').addEventListener('change', (changed) => {
    if (changed.target.name === 'kind') failing(list_from_start)();
  });
  find('next').addEventListener('click', failing(async () => {
    after = listed[listed.length - 1].id;
    await load();
  }));
  find('replay-all').addEventListener('click', failing(() => change('replay', [])));
  find('purge-all').addEventListener('click', failing(() => change('purge', [])));
  find('confirm-yes').addEventListener('click', () => find('confirm').close('yes'));
  find('confirm-no').addEventListener('click', () => find('confirm').close('no'));
  find('details-close').addEventListener('click', () => find('details').close());
}

let known = '';

let held_shown = '';

// Why events are held, and what sends them, by family.
function show_held(held) {
  const text = JSON.stringify(held);
  if (text === held_shown) return;
  held_shown = text;
  fill(find('held-note'), ...held.map(({family, held: count, why, to_do}) => element('p', {},
      element('strong', {}, `${family}: ${counted(count, 'event')} held.`), ` ${why}. ${to_do}.`)));
}

// Called with each new status. A search by what stands inside of events reads many of them: that is
// done when somebody asks for it.
export async function follow(families, held) {
  show_families(families);
  show_held(held);
  const counts = families.map((family) => [family.family, family[filters.kind]]).join() + filters.kind;
  if (counts === known || is_filtered || after !== null || document.querySelector('dialog[open]')) return;
  known = counts;
  await load();
}

function show_families(families) {
  const select = find('events-form').elements.family;
  const names = families.map((family) => family.family);
  if (select.options.length === names.length + 1) return;
  const chosen = select.value;
  fill(select, element('option', {value: ''}, 'all'), ...names.map((name) => element('option', {value: name}, name)));
  select.value = chosen;
}
