"""The two HTTP clients of the demo: Shop talks to checkout_server, Klaviyo reads events back."""

import collections
import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request

# Loopback is never asked of a proxy, whatever the environment says.
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Shop:
    def __init__(self, url):
        self.url = url

    def send(self, parcel):
        """Returns the status and the JSON of the answer."""
        request = urllib.request.Request(self.url + parcel.path, method=parcel.method,
                                         data=json.dumps(parcel.body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with LOCAL.open(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def deliver(self, body, signature):
        """Posts a webhook; returns the status of the answer."""
        request = urllib.request.Request(self.url + "/webhooks/stripe", data=body,
                                         headers={"Content-Type": "application/json",
                                                  "Stripe-Signature": signature})
        try:
            with LOCAL.open(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    def metrics(self):
        with LOCAL.open(self.url + "/metrics", timeout=10) as answer:
            return answer.read().decode()

    def states(self):
        """Returns the events by what became of them."""
        found = re.findall(r'postbox_events_total{state="(\w+)"} (\d+)', self.metrics())
        return {state: int(count) for state, count in found}

    def is_conserved(self):
        return "\npostbox_conserved 1\n" in self.metrics()

    def latency(self):
        """Returns the median and 99th percentile of an order, in milliseconds."""
        found = re.findall(r'{handler="checkout",quantile="[\d.]+"} (\S+)', self.metrics())
        return [float(seconds) * 1000 for seconds in found]


class Klaviyo:
    def __init__(self, url, key, since):
        self.url = url
        self.headers = {"Authorization": "Klaviyo-API-Key " + key, "revision": "2026-10-15",
                        "Accept": "application/vnd.api+json"}
        self.since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since - 60))
        is_local = urllib.parse.urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1")
        self.opener = LOCAL if is_local else urllib.request.build_opener()

    def events(self):
        """Counts (metric, unique id) over all pages; nothing when the key may not read events."""
        query = urllib.parse.urlencode({"include": "metric", "page[size]": "200",
                                        "filter": f"greater-or-equal(datetime,{self.since})"})
        address = f"{self.url}/api/events?{query}"
        found = collections.Counter()
        while address:
            request = urllib.request.Request(address, headers=self.headers)
            try:
                with self.opener.open(request, timeout=30) as answer:
                    page = json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code in (401, 403):
                    return None
                raise
            metrics = {resource["id"]: resource["attributes"]["name"]
                       for resource in page.get("included", []) if resource["type"] == "metric"}
            for event in page["data"]:
                metric = metrics[event["relationships"]["metric"]["data"]["id"]]
                found[metric, event["attributes"]["event_properties"].get("$event_id")] += 1
            address = page["links"].get("next")
        return found

    def lists(self):
        """Returns the lists of each address, of one page; the real one shows them elsewhere."""
        query = urllib.parse.urlencode({"additional-fields[profile]": "subscriptions",
                                        "page[size]": "100"})
        request = urllib.request.Request(f"{self.url}/api/profiles?{query}", headers=self.headers)
        with self.opener.open(request, timeout=30) as answer:
            return {profile["attributes"].get("email"): profile["meta"]["lists"]
                    for profile in json.load(answer)["data"]}
