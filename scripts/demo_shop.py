"""What the demo's customers send: Goods makes orders, carts, subscriptions and consent."""

import collections
import itertools
import time

# What is sent, and the events (metric, unique id) that it must become.
Parcel = collections.namedtuple("Parcel", "family method path name body events")

# Not example.com: Klaviyo takes events for such addresses and drops them in silence.
CUSTOMERS = [
    {"email": "customer-1@goldenacre.example", "external_id": "u-1", "first_name": "Inès",
     "last_name": "Müller"},
    {"email": "customer-2@goldenacre.example"},  # a guest
    {"email": "customer-3@goldenacre.example", "first_name": "陽子", "last_name": "田中"},
    {"phone": "+491701234567", "first_name": "Łukasz"},  # a guest at the till
    {"external_id": "u-5", "first_name": "Søren", "last_name": "Ångström"},
    {"email": "Customer-6@GoldenAcre.example", "phone": "+4917099988877", "external_id": "u-6"},
    {"email": "customer-7@goldenacre.example", "first_name": "محمد"},
]
PRODUCTS = [
    ("P1", "TEA-GRN", "Thé vert", "Tea"),
    ("P2", "TEA-BLK", "Ostfriesentee", "Tea"),
    ("P3", "CUP-01", "茶碗 “Kyōto”", "Cups"),
    ("P4", "POT-09", "Teapot, 1½ l", "Pots"),
    ("P5", "SPOON", "Löffel \\ cuillère", "Cutlery"),
]
# Minor units: yen have no decimals, Kuwaiti dinars three.
PRICES = {"EUR": 1250, "USD": 1399, "JPY": 1800, "KWD": 4125, "GBP": 1099}
SIZES = [1, 3, 2, 1, 6, 2, 40, 1]  # lines of an order


class Goods:
    def __init__(self, run, started):
        self.run = run  # makes the ids of each run its own
        self.started = started
        self.count = collections.Counter()
        self.customers = itertools.cycle(CUSTOMERS)
        self.currencies = itertools.cycle(PRICES)
        self.sizes = itertools.cycle(SIZES)

    def described(self):
        return ", ".join(f"{count} {kind}s" for kind, count in self.count.items())

    def next_id(self, kind):
        self.count[kind] += 1
        return f"{kind}-{self.run}-{self.count[kind]}"

    def now(self):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def line(self, number, currency):
        product_id, sku, name, category = PRODUCTS[number % len(PRODUCTS)]
        return {"product_id": product_id, "sku": sku, "name": name, "quantity": 1 + number % 4,
                "unit_price": PRICES[currency] + 25 * (number % len(PRODUCTS)),
                "categories": [category], "brand": "Golden Acre",
                "url": f"https://goldenacre.example/p/{product_id}"}

    def order(self):
        order_id = self.next_id("order")
        number = self.count["order"]
        currency = next(self.currencies)
        # From five lines on, a stock code stands in an order more than once.
        items = [self.line(number + i, currency) for i in range(next(self.sizes))]
        body = {"order_id": order_id, "currency": currency, "placed_at": self.now(),
                "customer": next(self.customers), "items": items}
        if number % 3 == 0:
            body.update(shipping=490, tax=210, discount={"code": "AUTUMN", "amount": 300})
        if number % 4 == 0:
            body["shipping_address"] = {"city": "Zürich", "country_code": "CH", "zip": "8001"}
            body["properties"] = {"gift": number % 8 == 0, "channels": ["web", "réseau"]}
        events = [("Placed Order", order_id)]
        events += [("Ordered Product", f"{order_id}_{i + 1}") for i in range(len(items))]
        return Parcel("purchase", "POST", "/checkout/complete", order_id, body, events)

    def cart(self):
        cart_id = self.next_id("cart")
        number = self.count["cart"]
        currency = next(self.currencies)
        second = int(time.time())
        body = {"cart_id": cart_id, "currency": currency, "version": number,
                "updated_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)),
                "items": [self.line(number + i, currency) for i in range(number % 3)],
                "checkout_url": f"https://goldenacre.example/cart/{cart_id}"}
        if number % 2:
            body["customer"] = next(self.customers)
        events = [("Cart Updated", f"{cart_id}_{number}_{second}")]
        return Parcel("cart", "PUT", f"/cart/u-{number % 5}", cart_id, body, events)

    def subscription(self):
        subscription_id = self.next_id("subscription")
        body = {"subscription_id": subscription_id, "plan_id": "tea-monthly",
                "plan_name": "Tee im Monat", "currency": next(self.currencies), "amount": 1900,
                "interval": "month", "status": "active", "started_at": self.now(),
                "customer": next(self.customers)}
        events = [("Subscription Started", subscription_id + "_started")]
        return Parcel("subscription", "POST", "/subscriptions", subscription_id, body, events)

    def consent(self, action, name):
        """What a person says about marketing: no event, but what the person's profile shows."""
        body = {"action": action, "email": f"{name}@goldenacre.example", "list": "Y6nRLr",
                "custom_source": "Checkout"}
        return Parcel("consent", "POST", "/consent", name, body, [])

    def bad_order(self):
        order_id = f"bad-{self.run}"
        items = [self.line(1, "EUR"), dict(self.line(2, "EUR"), quantity=-2, unit_price=12.5)]
        body = {"order_id": order_id, "currency": "EURO", "items": items,
                "customer": {"email": "not an address"}}
        events = [("Placed Order", order_id)]
        events += [("Ordered Product", f"{order_id}_{i + 1}") for i in range(len(items))]
        return Parcel("purchase", "POST", "/checkout/complete", order_id, body, events)

    def bad_subscription(self):
        body = {"subscription_id": f"bad-{self.run}", "currency": "EUR", "amount": -5,
                "interval": "fortnight", "customer": {}}
        events = [("Subscription Started", f"bad-{self.run}_started")]
        return Parcel("subscription", "POST", "/subscriptions", "bad", body, events)
