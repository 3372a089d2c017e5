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

const event = (name, uniqueId, properties, money = {}) => ({
  type: 'event',
  attributes: {
    time: now, uniqueId, properties, ...money,
    metric: {data: {type: 'metric', attributes: {name}}},
    profile: {data: {type: 'profile', attributes: anna}},
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
];

// What a bulk request holds beside each of them.
const bens = event('Cart Updated', `c-7_3_${nowSecond}`, {...cart, IsEmpty: false}, eur(25));
bens.attributes.profile.data.attributes = ben;
exports.companion = bens;

exports.profile = {
  type: 'profile',
  attributes: {...anna, lastName: 'Berg', properties: {'Loyalty Tier': 'Gold', Points: 40}},
};
