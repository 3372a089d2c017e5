"""What Stripe sends in the demo: a purchase and a subscription, each reported more than once."""

import hashlib
import hmac
import json
import time

SECRET = "whsec_demo"


def sign(body, second=None):
    """Returns the Stripe-Signature header of a body, https://docs.stripe.com/webhooks."""
    second = int(time.time()) if second is None else second
    signed = str(second).encode() + b"." + body
    return f"t={second},v1={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"


class Stripe:
    def __init__(self, run, started):
        self.run = run  # makes the ids of each run its own
        self.started = started
        self.count = 0

    def event(self, kind, fields, previous=None):
        self.count += 1
        data = {"object": fields}
        if previous:
            data["previous_attributes"] = previous
        body = {"id": f"evt_{self.run}_{self.count}", "object": "event", "created": self.started,
                "livemode": True, "type": kind, "data": data}
        return json.dumps(body, indent=2).encode()

    def purchase(self):
        """A guest pays 4950 yen in Checkout and gets 950 back."""
        payment, charge = f"pi_{self.run}", f"ch_{self.run}"
        session = {"id": f"cs_{self.run}", "mode": "payment", "payment_status": "paid",
                   "amount_total": 4950, "currency": "jpy", "payment_intent": payment,
                   "customer_details": {"email": "customer-8@goldenacre.example"}}
        refund = {"id": charge, "payment_intent": payment, "amount": 4950, "currency": "jpy",
                  "amount_refunded": 950, "refunded": False}
        bodies = [self.event("charge.refunded", refund, {"amount_refunded": 0}),
                  self.event("checkout.session.completed", session)]
        events = [("Placed Order", f"stripe:{payment}"),
                  ("Partially Refunded Order", f"stripe:{charge}:refunded:950")]
        return bodies, events

    def subscription(self):
        """A subscription begins before its customer is known, and its invoice is reported twice."""
        customer, name, invoice = (f"{kind}_{self.run}" for kind in ("cus", "sub", "in"))
        plan = {"id": "price_tea", "product": "prod_tea", "currency": "eur", "unit_amount": 1900,
                "recurring": {"interval": "month", "interval_count": 1}}
        subscription = {"id": name, "customer": customer, "status": "active",
                        "created": self.started,
                        "items": {"data": [{"price": plan, "quantity": 1}]}}
        paid = {"id": invoice, "customer": customer, "currency": "eur", "amount_paid": 1900,
                "total": 1900, "billing_reason": "subscription_create", "subscription": name,
                "customer_email": "customer-9@goldenacre.example"}
        bodies = [self.event("customer.subscription.created", subscription),
                  self.event("invoice.payment_succeeded", paid),
                  self.event("invoice.paid", paid)]
        events = [("Subscription Started", f"stripe:{name}:started"),
                  ("Placed Order", f"stripe:{invoice}")]
        return bodies, events
