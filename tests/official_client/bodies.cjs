// Reads the lines of event_bodies and compares each body with the one that the official client
// sends for the same data, and both with Klaviyo's own description of its API, if that is here.
// Usage: bodies.cjs [OPENAPI.json] <lines
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const {ApiKeySession, EventsApi} = require('klaviyo-api');

// The client's names of what it is given, and its dates: the way back from a body to a call.
const given = (attributes) => {
  const {unique_id: uniqueId, value_currency: valueCurrency, time, ...rest} = attributes;
  const event = {...rest, uniqueId, time: new Date(time)};
  if (valueCurrency !== undefined) event.valueCurrency = valueCurrency;
  if (event.profile) event.profile = {data: givenProfile(event.profile.data)};
  return event;
};
const givenProfile = ({type, attributes}) => {
  const {phone_number: phoneNumber, external_id: externalId, first_name: firstName,
         last_name: lastName, ...rest} = attributes;
  return {type, attributes: {...rest, phoneNumber, externalId, firstName, lastName}};
};
const givenSingle = ({data}) => ({data: {type: data.type, attributes: given(data.attributes)}});
const givenBulk = ({data}) => ({
  data: {
    type: data.type,
    attributes: {
      eventsBulkCreate: {
        data: data.attributes['events-bulk-create'].data.map(({type, attributes}) => ({
          type,
          attributes: {
            profile: {data: givenProfile(attributes.profile.data)},
            events: {data: attributes.events.data.map(
                (event) => ({type: event.type, attributes: given(event.attributes)}))},
          },
        })),
      },
    },
  },
});

// The client writes milliseconds, which Klaviyo cuts off.
const withoutMilliseconds = (text) =>
  JSON.parse(text, (name, value) => name === 'time' ? value.replace('.000Z', 'Z') : value);

function validators(file) {
  if (!file || !fs.existsSync(file)) {
    console.error('SKIPPED, NOT TESTED: the bodies against the OpenAPI description, which is not here');
    return undefined;
  }
  const Ajv = require('ajv');
  const ajv = new Ajv({strict: false, allErrors: true});
  require('ajv-formats')(ajv);
  ajv.addSchema(JSON.parse(fs.readFileSync(file, 'utf8')), 'api');
  const of = (name) => ajv.compile({$ref: `api#/components/schemas/${name}`});
  return {single: of('EventCreateQueryV2'), bulk: of('EventsBulkCreateJob')};
}

async function main() {
  let received;
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (part) => body += part);
    request.on('end', () => {
      received = body;
      response.writeHead(202).end();
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const events = new EventsApi(new ApiKeySession('pk_local'));
  events.basePath = `http://127.0.0.1:${server.address().port}`;

  const valid = validators(process.argv[2]);
  const compare = async (type, form, ours, send) => {
    await send();
    assert.deepEqual(ours, withoutMilliseconds(received), `${type}, ${form}`);
    if (valid) assert.ok(valid[form](ours), `${type}, ${form}: ${JSON.stringify(valid[form].errors)}`);
  };
  if (valid) assert.ok(!valid.single({data: {type: 'event', attributes: {}}}), 'everything is valid');
  const lines = fs.readFileSync(0, 'utf8').trim().split('\n');
  for (const line of lines) {
    const {type, single, bulk} = JSON.parse(line);
    await compare(type, 'single', single, () => events.createEvent(givenSingle(single)));
    await compare(type, 'bulk', bulk, () => events.bulkCreateEvents(givenBulk(bulk)));
  }
  assert.ok(lines.length > 1);
  console.log('ok', lines.length, 'events, single and bulk');
  server.close();
}

main().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
