// The events of one shop as it would hand them to Klaviyo's own client: written by hand from
// Klaviyo's guide to e-commerce events and from docs/events/, not from what the library sends.
// event_bodies.cpp reports the same shop's data through the library, in the same order.
'use strict';

const now = new Date('2026-11-22T10:00:00Z');
const trialEnd = '2026-12-06T10:00:00Z';
const nowText = '2026-11-22T10:00:00Z';
const nowSecond = 1795341600;

const anna = {email: 'anna@goldenacre.example', phoneNumber: '+491701234567', externalId: 'u-1',
              firstName: 'Anna'};
const ben = {...anna, email: 'ben@goldenacre.example'};

const description = {
  firstName: 'Anna', organization: 'Acre', title: 'Buyer', locale: 'de-DE',
  image: 'https://goldenacre.example/anna.jpg',
  location: {address1: 'Gasse 1', address2: 'Hof', city: 'Ulm', region: 'BW', zip: '89073',
             country: 'Germany', timezone: 'Europe/Berlin'},
};

const teaP1 = {ProductID: 'P1', SKU: 'S-P1', ProductName: 'Thé P1'};
const teaP2 = {ProductID: 'P2', SKU: 'S-P2', ProductName: 'Thé P2'};

const order = {
  OrderId: '1001', Categories: ['Tea'], ItemNames: ['Thé P1', 'Thé P2'], Brands: ['Acre'],
  DiscountCode: 'AUTUMN', DiscountValue: 3,
  Items: [
    {...teaP1, Quantity: 2, ItemPrice: 12.5, RowTotal: 25, Categories: ['Tea'], Brand: 'Acre'},
    {...teaP2, Quantity: 1, ItemPrice: 3, RowTotal: 3, Categories: ['Tea'], Brand: 'Acre'},
  ],
  BillingAddress: {LastName: 'Müller', City: 'Ulm'},
  Gift: false, Note: 'a "b"',
};
const line = {OrderId: '1001', Categories: ['Tea'], ProductBrand: 'Acre', Gift: false,
              Note: 'a "b"'};
const shipped = {...order, Categories: ['Tea'], ItemNames: ['Thé P2'], Items: [order.Items[1]],
                 FulfillmentId: 'f-1'};
const refund = {RefundAmount: 13, TotalRefunded: 13, Reason: 'broken'};

const plan = {PlanId: 'gold', Amount: 19.99, Interval: 'month', IntervalCount: 1, Quantity: 1,
              StartedAt: nowText, TrialEnd: trialEnd};
const subscription = {SubscriptionId: 'sub_1', PlanName: 'Gold', Currency: 'EUR',
                      Status: 'active'};
const before = {PreviousPlanId: 'silver', PreviousAmount: 13};

const payment = {PaymentId: 'in_1', SubscriptionId: 'sub_1', Amount: 10, Currency: 'EUR',
                 AttemptCount: 4, FinalAttempt: true, BillingReason: 'subscription_cycle',
                 FailureReason: 'card_declined'};

// Klaviyo's guide calls a cart line's categories otherwise than an order line's.
const cart = {
  CartId: 'c-7', UserId: 'user-42', ItemCount: 1, Categories: ['Tea'], ItemNames: ['Thé P1'],
  CheckoutURL: 'https://shop.goldenacre.example/checkout',
  Items: [{...teaP1, Quantity: 2, ItemPrice: 12.5, RowTotal: 25, ProductCategories: ['Tea'],
           Brand: 'Acre'}],
};
const added = {
  AddedItemProductID: 'P1', AddedItemSKU: 'S-P1', AddedItemProductName: 'Thé P1',
  AddedItemQuantity: 1, AddedItemPrice: 12.5, AddedItemCategories: ['Tea'],
  AddedItemBrand: 'Acre',
};

const event = (name, uniqueId, properties, money = {}, whose = anna) => ({
  type: 'event',
  attributes: {
    time: now, uniqueId, properties, ...money,
    metric: {data: {type: 'metric', attributes: {name}}},
    profile: {data: {type: 'profile', attributes: whose}},
  },
});
const eur = (value) => ({value, valueCurrency: 'EUR'});
const ofSubscription = (verb, id, more, base = {...subscription, ...plan}) =>
  event(`Subscription ${verb}`, `sub_1_${id}`, {...base, ...more});

const ordered = (more) => [
  event('Placed Order', '1001', order, {...eur(32), ...more}),
  event('Ordered Product', '1001_1', {...line, ...teaP1, Quantity: 2}, {...eur(25), ...more}),
  event('Ordered Product', '1001_2', {...line, ...teaP2, Quantity: 1}, {...eur(3), ...more}),
];

exports.events = [
  ...ordered(),
  ...ordered({backfill: true}),
  event('Fulfilled Order', '1001', order, eur(32)),
  event('Cancelled Order', '1001', {...order, Reason: 'late'}, eur(32)),
  event('Refunded Order', '1001', {...order, ...refund}, eur(13)),
  event('Partially Refunded Order', '1001_refunded_1300', {...order, ...refund}, eur(13)),
  event('Fulfilled Order', '1001_f-1',
        {...shipped, Carrier: 'DHL', TrackingNumber: 'JD0002',
         TrackingURL: 'https://dhl.example/JD0002'}, eur(3)),
  event('Marked Out for Delivery', '1001_f-1',
        {...order, FulfillmentId: 'f-1', Carrier: 'DHL'}, eur(2.5)),
  event('Delivered Shipment', '1001_f-1', shipped, eur(3)),
  ofSubscription('Started', 'started', {IsTrial: true, ConvertedFromTrial: false}),
  ofSubscription('Renewed', `renewed_${nowSecond}`,
                 {PlanId: 'gold', Amount: 19.99, Total: 13, PeriodStart: nowText,
                  Recovered: false}, subscription),
  ofSubscription('Upgraded', `upgraded_${nowSecond}`, before),
  ofSubscription('Downgraded', `downgraded_${nowSecond}`, before),
  ofSubscription('Changed', `changed_${nowSecond}`, before),
  ofSubscription('Cancelled', `cancelled_${nowSecond}`,
                 {CancelledAt: nowText, Immediate: false, Reason: 'asked'}),
  ofSubscription('Ended', 'ended', {Involuntary: true}),
  ofSubscription('Reactivated', `reactivated_${nowSecond}`, {CancelledAt: nowText}),
  ofSubscription('Paused', `paused_${nowSecond}`, {PauseKind: 'void'}),
  ofSubscription('Resumed', `resumed_${nowSecond}`, {}),
  ofSubscription('Trial Started', `trial_started_${nowSecond}`,
                 {TrialStart: nowText, ExistingSubscription: false}),
  ofSubscription('Trial Ending', `trial_ending_${Date.parse(trialEnd) / 1000}`, {}),
  event('Payment Failed', 'in_1_failed_4', payment),
  event('Payment Action Required', 'in_1_action_4', payment),
  event('Cart Updated', `c-7_3_${nowSecond}`, {...cart, IsEmpty: false}, eur(25)),
  event('Added to Cart', 'c-7-added-P1', {...cart, ...added}, eur(25)),
  event('Started Checkout', `c-7_${nowSecond}`, cart, eur(25)),
  event('Abandoned Checkout', `c-7_${nowSecond}`,
        {...cart, RecoveryURL: 'https://a.example/r', Amount: 25, Currency: 'EUR'}),
  event('Points Earned', 'points-1', {Points: 40, Reason: 'review'}),
  event('Quiz Finished', 'quiz-1', {Score: 7, Answers: ['a', 'b'], Took: {Seconds: 90}}, eur(5)),
  event('Viewed Product', 'view-1',
        {...teaP1, Categories: ['Tea'], Brand: 'Acre', URL: 'https://shop.goldenacre.example/p/1',
         ImageURL: 'https://shop.goldenacre.example/p1.jpg',
         Price: 12.5, Currency: 'EUR', CompareAtPrice: 15, CompareAtCurrency: 'EUR'},
        {}, {anonymousId: 'ZWY1Y2EzZTg', kx: 'x1.SiMu1A'}),
  event('Quiz Shared', 'quiz-2', {$extra: {HTML: '<b>7</b>'}}, {}, {...anna, ...description}),
];

// What a bulk request holds beside each of them.
const bens = event('Cart Updated', `c-7_3_${nowSecond}`, {...cart, IsEmpty: false}, eur(25));
bens.attributes.profile.data.attributes = ben;
exports.companion = bens;

const profile = (attributes) => ({type: 'profile', attributes});

// A profile of a job, and the job itself.
const word = (consent) => (channel, {email, phoneNumber}, more = {}) =>
  profile({email, phoneNumber, subscriptions: {[channel]: {marketing: {consent, ...more}}}});
const yes = word('SUBSCRIBED');
const no = word('UNSUBSCRIBED');
const job = (verb) => (profiles, attributes = {}, list = undefined) => ({
  type: `profile-subscription-bulk-${verb}-job`,
  attributes: {profiles: {data: profiles}, ...attributes},
  relationships: list && {list: {data: {type: 'list', id: list}}},
});
const subscriptionJob = job('create');
const unsubscriptionJob = job('delete');
const channels = ['email', 'sms', 'whatsapp'];

// What is no event: the form, what the client is given, and what it cannot send: it fails at `unset`
// (23.0.0 knows the type "Array&lt;string&gt;"), which is held against the description alone.
exports.requests = [
  ['profile', profile({...anna, lastName: 'Berg',
                       properties: {'Loyalty Tier': 'Gold', Points: 40}})],
  ['profile', profile({kx: 'x1.SiMu1A', ...description}),
   {meta: {patch_properties: {unset: ['Points', 'Quiz']}}}],
  ['subscribe', subscriptionJob([...channels.map((channel) => yes(channel, anna)),
                                  yes('sms', {phoneNumber: '+447911123456'})],
                                 {customSource: 'Checkout'}, 'Y6nRLr')],
  ['subscribe', subscriptionJob([yes('email', anna, {consentedAt: new Date('2026-11-20T10:00:00Z')})],
                                 {historicalImport: true})],
  ['unsubscribe', unsubscriptionJob(channels.map((channel) => no(channel, anna)), {}, 'Y6nRLr')],
  ['unsubscribe', unsubscriptionJob([no('email', anna)])],
];
