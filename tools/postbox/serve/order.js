// The events of one order. Each request looks at a part of the outbox.
import {ask} from './api.js';
import {counted, element, fill, find, in_words, table} from './dom.js';

const COLUMNS = [{heading: 'Id', number: true}, {heading: 'Family'}, {heading: 'Metric', long: true},
  {heading: 'Key', long: true}, {heading: 'Age'}, {heading: 'Where'}, {heading: 'Remark', long: true}];

let run = 0;  // the search that counts: a newer one, or Stop, ends the others

function show(order, events) {
  if (events.length === 0) return fill(find('order'));
  fill(find('order'), table(`Order ${order}`, COLUMNS, events.map((event) => ({
    bad: event.state === 'dead',
    cells: [event.id, event.family, event.metric, event.key, in_words(event.age_ms), event.state, event.remark],
  }))));
}

function summary(found, looked_at, locked) {
  const unread = locked ? ` ${counted(locked, 'event')} cannot be read, and may be of the order: they are ` +
      'encrypted with a key that is not set.' : '';
  return `${counted(found, 'event')} found in ${counted(looked_at, 'event')}. ` +
      `What is not here was delivered, or removed, or was never accepted.${unread}`;
}

async function search(order) {
  const own = ++run;
  const events = [];
  let looked_at = 0;
  let locked = 0;
  let after = null;
  find('order-stop').hidden = false;
  show(order, events);
  do {
    fill(find('order-message'), `Looking … ${counted(looked_at, 'event')} so far`);
    const part = await ask('order', {order, after});
    if (own !== run) return;
    events.push(...part.events);
    looked_at += part.looked_at;
    locked += part.locked;
    after = part.go_on_after;
    show(order, events);
  } while (after !== null);
  fill(find('order-message'), summary(events.length, looked_at, locked));
}

function stop() {
  ++run;
  find('order-stop').hidden = true;
}

export function start_order_search() {
  find('order-form').addEventListener('submit', async (submitted) => {
    submitted.preventDefault();
    try {
      await search(new FormData(submitted.target).get('order').trim());
    } catch (failure) {
      fill(find('order-message'), failure.message);
    }
    find('order-stop').hidden = true;
  });
  find('order-stop').addEventListener('click', () => {
    stop();
    fill(find('order-message'), 'Stopped.');
  });
}
