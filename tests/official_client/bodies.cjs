// Has the official client send what shop_data.cjs holds, events single and in bulk, profiles and words
// of consent, and compares each body that arrives with ours, in the lines of event_bodies; both must
// fit Klaviyo's own description, and name nothing that it does not have.
// Usage: bodies.cjs OPENAPI.json <lines
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const {ApiKeySession, EventsApi, ProfilesApi} = require('klaviyo-api');
const {events, companion, requests} = require('./shop_data.cjs');

// The client writes milliseconds, which Klaviyo cuts off.
const isTime = (name) => name === 'time' || name === 'consented_at';
const withoutMilliseconds = (text) =>
  JSON.parse(text, (name, value) => isTime(name) ? value.replace('.000Z', 'Z') : value);

// The client leaves out what its models lack, and the description says nothing of other names: makes it
// refuse them. (An object without `properties`, as an event's own, takes any.) ajv takes no `nullable`
// without a type, and nothing here is null.
function close(schema) {
  if (typeof schema !== 'object' || schema === null) return;
  Object.values(schema).forEach(close);
  if (schema.type === 'object' && schema.properties) schema.additionalProperties ??= false;
  if (schema.nullable && !schema.type) delete schema.nullable;
}

// A bulk request names the profile once, in front of its events.
const entryOf = ({type, attributes: {profile: whose, ...rest}}) => ({
  type: 'event-bulk-create',
  attributes: {profile: whose, events: {data: [{type, attributes: rest}]}},
});
const bulkOf = (...all) => ({
  data: {
    type: 'event-bulk-create-job',
    attributes: {eventsBulkCreate: {data: all.map(entryOf)}},
  },
});

function validators(file) {
  if (!fs.existsSync(file)) return undefined;  // run.sh says so
  const Ajv = require('ajv');
  const ajv = new Ajv({strict: false, allErrors: true});
  require('ajv-formats')(ajv);
  const api = JSON.parse(fs.readFileSync(file, 'utf8'));
  close(api.components.schemas);
  ajv.addSchema(api, 'api');
  const of = (name) => ajv.compile({$ref: `api#/components/schemas/${name}`});
  const all = {single: of('EventCreateQueryV2'), bulk: of('EventsBulkCreateJob'),
               profile: of('ProfileUpsertQuery'), subscribe: of('SubscriptionCreateJobCreateQuery'),
               unsubscribe: of('SubscriptionDeleteJobCreateQuery')};
  for (const valid of Object.values(all)) assert.ok(!valid({data: {}}), 'everything is valid');
  return all;
}

async function main() {
  let received;
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (part) => body += part);
    request.on('end', () => {
      received = body;
      response.writeHead(request.url.includes('profile-import') ? 200 : 202,
                         {'content-type': 'application/json'}).end('{"data":{}}');
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const basePath = `http://127.0.0.1:${server.address().port}`;
  const [eventsApi, profilesApi] = [EventsApi, ProfilesApi].map(
    (Api) => Object.assign(new Api(new ApiKeySession('pk_local')), {basePath}));

  const valid = validators(process.argv[2]);
  const compare = async (what, form, ours, send, more = {}) => {
    received = undefined;
    await send();
    const theirs = withoutMilliseconds(received);
    Object.assign(theirs.data, more);
    assert.deepEqual(ours, theirs, `${what}, ${form}`);
    if (!valid) return;
    assert.ok(valid[form](ours), `${what}, ${form}: ${JSON.stringify(valid[form].errors)}`);
    assert.ok(!valid[form]({data: {...ours.data, foreign: 1}}), 'every name is valid');
  };
  const lines = fs.readFileSync(0, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(lines.length, events.length + requests.length, 'as many lines as the shop has');
  for (const [i, event] of events.entries()) {
    const {single, bulk} = lines[i];
    const name = event.attributes.metric.data.attributes.name;
    await compare(name, 'single', single, () => eventsApi.createEvent({data: event}));
    await compare(name, 'bulk', bulk, () => eventsApi.bulkCreateEvents(bulkOf(event, companion)));
  }
  const send = {
    profile: (body) => profilesApi.createOrUpdateProfile(body),
    subscribe: (body) => profilesApi.bulkSubscribeProfiles(body),
    unsubscribe: (body) => profilesApi.bulkUnsubscribeProfiles(body),
  };
  for (const [i, [form, data, more]] of requests.entries()) {
    const ours = lines[events.length + i][form];
    await compare(`request ${i + 1}`, form, ours, () => send[form]({data}), more);
  }
  console.log('ok', events.length, 'events, single and bulk, and', requests.length,
              'profiles and jobs of consent');
  server.close();
}

main().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
