// Has the official client send what shop_data.cjs holds, single and in bulk, and compares each body
// that arrives with ours, in the lines of event_bodies; both must fit Klaviyo's own description.
// Usage: bodies.cjs OPENAPI.json <lines
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const {ApiKeySession, EventsApi, ProfilesApi} = require('klaviyo-api');
const {events, companion, profile} = require('./shop_data.cjs');

// The client writes milliseconds, which Klaviyo cuts off.
const withoutMilliseconds = (text) =>
  JSON.parse(text, (name, value) => name === 'time' ? value.replace('.000Z', 'Z') : value);

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
  ajv.addSchema(JSON.parse(fs.readFileSync(file, 'utf8')), 'api');
  const of = (name) => ajv.compile({$ref: `api#/components/schemas/${name}`});
  const all = {single: of('EventCreateQueryV2'), bulk: of('EventsBulkCreateJob'),
               profile: of('ProfileUpsertQuery')};
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
  const compare = async (what, form, ours, send) => {
    received = undefined;
    await send();
    assert.deepEqual(ours, withoutMilliseconds(received), `${what}, ${form}`);
    if (!valid) return;
    assert.ok(valid[form](ours), `${what}, ${form}: ${JSON.stringify(valid[form].errors)}`);
  };
  const lines = fs.readFileSync(0, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const last = lines.pop();
  assert.equal(lines.length, events.length, 'as many events as the shop has');
  for (const [i, {single, bulk}] of lines.entries()) {
    const event = events[i];
    const name = event.attributes.metric.data.attributes.name;
    await compare(name, 'single', single, () => eventsApi.createEvent({data: event}));
    await compare(name, 'bulk', bulk, () => eventsApi.bulkCreateEvents(bulkOf(event, companion)));
  }
  await compare('identify', 'profile', last.profile,
                () => profilesApi.createOrUpdateProfile({data: profile}));
  console.log('ok', lines.length, 'events, single and bulk, and a profile');
  server.close();
}

main().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
