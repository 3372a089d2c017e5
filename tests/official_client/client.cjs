// What the official client does against the address in the first argument; any surprise throws.
'use strict';
const assert = require('node:assert/strict');
const {ApiKeySession, EventsApi} = require('klaviyo-api');

const url = process.argv[2];
const events = new EventsApi(new ApiKeySession('pk_local'));
events.basePath = url;

const metric = {data: {type: 'metric', attributes: {name: 'Placed Order'}}};
const profile = {data: {type: 'profile', attributes: {email: 'jane@shop.fr'}}};
const order = (uniqueId) => ({
  type: 'event',
  attributes: {properties: {OrderId: uniqueId}, value: 12.5, valueCurrency: 'EUR', uniqueId, metric},
});
const single = (uniqueId) => {
  const data = order(uniqueId);
  data.attributes.profile = profile;
  return {data};
};
const bulk = (...ids) => ({
  data: {
    type: 'event-bulk-create-job',
    attributes: {
      eventsBulkCreate: {
        data: [{type: 'event-bulk-create', attributes: {profile, events: {data: ids.map(order)}}}],
      },
    },
  },
});

async function control(method, path, body) {
  const answer = await fetch(url + path, {method, body: body && JSON.stringify(body)});
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.status === 204 ? undefined : answer.json();
}

async function refusal(promise) {
  const error = await promise.then(() => assert.fail('not refused'), (error) => error);
  assert.ok(error.response, error);
  return error.response;
}

async function createAndReadBack() {
  assert.equal((await events.createEvent(single('1'))).response.status, 202);
  assert.equal((await events.createEvent(single('1'))).response.status, 202);
  assert.equal((await events.bulkCreateEvents(bulk('2', '3'))).response.status, 202);
  const {body} = await events.getEvents({include: ['metric', 'profile'], sort: 'datetime'});
  assert.deepEqual(body.data.map((event) => event.attributes.eventProperties.OrderId).sort(),
                   ['1', '2', '3']);
  for (const event of body.data) {
    assert.equal(event.attributes.eventProperties.$value, 12.5);
    assert.ok(event.attributes.datetime instanceof Date);
  }
  assert.deepEqual(body.included.map((item) => item.attributes.name ?? item.attributes.email).sort(),
                   ['Placed Order', 'jane@shop.fr']);
}

async function readsEveryPage() {
  const ids = [];
  let cursor;
  do {
    const {body} = await events.getEvents({pageSize: 2, pageCursor: cursor});
    ids.push(...body.data.map((event) => event.id));
    // The client takes a link for a cursor only when it begins with https://.
    cursor = body.links.next && new URL(body.links.next).searchParams.get('page[cursor]');
  } while (cursor);
  assert.equal(new Set(ids).size, 3);
}

async function seesTheReasonOfARefusal() {
  const repeated = await refusal(events.bulkCreateEvents(bulk('4', '4')));
  assert.equal(repeated.status, 400);
  assert.equal(repeated.data.errors[0].code, 'invalid');
  const stranger = new EventsApi(new ApiKeySession('pk_unknown'));
  stranger.basePath = url;
  const unknown = await refusal(stranger.createEvent(single('5')));
  assert.equal(unknown.status, 401);
  assert.equal(unknown.data.errors[0].code, 'authentication_failed');
}

// It tries three times in all, not before Retry-After, and gives up with Klaviyo's own error.
async function triesAgainAfterA429() {
  await control('POST', '/sim/reset');
  await control('PUT', '/sim/faults', [{status: 429, retry_after: 1}]);
  assert.equal((await events.createEvent(single('6'))).response.status, 202);
  assert.deepEqual((await control('GET', '/sim/stats')).answers, {202: 1, 429: 1});

  await control('POST', '/sim/reset');
  await control('PUT', '/sim/faults', [{status: 429, retry_after: 1, times: -1}]);
  const throttled = await refusal(events.createEvent(single('7')));
  assert.equal(throttled.status, 429);
  assert.equal(throttled.headers['retry-after'], '1');
  assert.equal(throttled.headers['ratelimit-remaining'], undefined);
  assert.equal(throttled.data.errors[0].code, 'throttled');
  assert.deepEqual((await control('GET', '/sim/stats')).answers, {429: 3});
}

(async () => {
  const steps = [createAndReadBack, readsEveryPage, seesTheReasonOfARefusal, triesAgainAfterA429];
  for (const step of steps) {
    await step();
    console.log('ok', step.name);
  }
})().catch((error) => {
  const {status, data} = error.response ?? {};
  console.error(error.stack, status ?? '', JSON.stringify(data?.errors ?? ''));
  process.exit(1);
});
