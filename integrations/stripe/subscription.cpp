#include <algorithm>
#include <stripe/draft.hpp>
#include <stripe/plan.hpp>

namespace stripe {
namespace {

using postbox::WallTime;

// An interval that Klaviyo's schema does not know is left out of the event.
constexpr auto kUnknownInterval = static_cast<klaviyo::Interval>(0xff);

std::optional<WallTime> period_end_of(Node subscription) {
  if (const auto end = subscription["current_period_end"].time()) return end;
  const Node items = subscription["items"]["data"];
  std::optional<WallTime> last;
  for (std::size_t i = 0; i < items.size(); ++i) {
    last = std::max(last, items.at(i)["current_period_end"].time());
  }
  return last;
}

// Mapper is the mapping of one subscription: a function for each kind of webhook, on what they
// share.
class Mapper {
 public:
  explicit Mapper(Draft& draft)
      : draft_(draft), now_(draft.object()), before_(draft.previous()), plan_(plan_of(now_)) {}

  void created() {
    if (status() != "active") draft_.record_fact("fresh", id());
    record_trial();
    if (status() == "active") return start(now_["created"], false);
    if (status() == "trialing") start_trial(now_["created"], false);
  }

  void updated() {
    record_trial();
    follow_status(before_["status"].text());
    follow_plan();
    follow_cancellation();
    follow_collection();
  }

  void deleted() {
    if (status() == "incomplete_expired") return;  // it never began
    const auto ended_at = now_["ended_at"].time().value_or(draft_.created());
    const auto asked_at = now_["canceled_at"].time().value_or(ended_at);
    cancel(asked_at, asked_at, ended_at, asked_at == ended_at);
    const bool involuntary = reason() == "payment_failed" || reason() == "payment_disputed";
    draft_.add_event(
        Report::kSubscriptions,
        klaviyo::subscription_ended(event(ended_at, draft_.unique_id(id(), "ended")),
                                    {.involuntary = involuntary, .reason = std::string(reason())}));
  }

  // Bodies before 2026 give no reason: then a trial has ended without a payment method.
  void paused() {
    const auto reason = pause_of(now_);
    pause(reason.empty() ? "trial_ended_without_payment_method" : reason, {});
  }

  void resumed() {
    follow_status(before_["status"].text());
    resume(pause_of(before_));
  }

  // Also sent when a trial is ended early: then no reminder is due.
  void trial_will_end() {
    const auto end = now_["trial_end"].time();
    if (status() != "trialing" || !end) return;
    draft_.add_event(
        Report::kSubscriptions,
        klaviyo::subscription_trial_ending(
            event(draft_.created(), draft_.unique_id(id(), "trial_will_end", second_of(*end)))));
  }

 private:
  [[nodiscard]] std::string_view id() const { return draft_.need_id(); }
  [[nodiscard]] std::string_view status() const { return now_["status"].text(); }
  [[nodiscard]] std::string_view reason() const {
    return now_["cancellation_details"]["reason"].text();
  }

  static std::string_view pause_of(Node subscription) {
    return subscription["status_details"]["paused"]["subscription"]["type"].text();
  }

  void record_trial() {
    const auto end = now_["trial_end"].time();
    if (end) draft_.record_fact("trial", id(), second_of(*end));
  }

  // A subscription starts when it is active for the first time, whatever its status was before.
  void follow_status(std::string_view was) {
    const bool is_change = !was.empty() && was != status();
    if (status() == "active") {
      if (!is_first_start(is_change ? was : std::string_view())) return;
      const bool had_trial = was != "incomplete" && now_["trial_end"].time();
      return start({}, was == "trialing" || had_trial);
    }
    if (!is_change) return;
    if (status() == "trialing") return start_trial({}, was != "incomplete");
    // It has not been active yet, unless a paying customer was granted the trial.
    if (was == "incomplete" || was == "trialing") draft_.record_fact("fresh", id());
  }

  // A subscription that was active before recovers; it does not start again.
  [[nodiscard]] bool is_first_start(std::string_view was) const {
    if (const auto started = draft_.find_decision(draft_.key("started", id()))) {
      return *started == second_of(draft_.created());
    }
    if (was == "incomplete" || was == "trialing" || draft_.has_fact("fresh", id())) return true;
    if (was == "paused") {
      const auto reason = pause_of(before_);
      return reason.empty() || reason == "first_payment_failure" ||
             reason == "trial_end_without_payment_method";
    }
    return (was == "past_due" || was == "unpaid") && is_in_first_period();
  }

  // The first period that is paid begins where the trial ends.
  [[nodiscard]] bool is_in_first_period() const {
    const auto trial_end = now_["trial_end"].time();
    const Node item = now_["items"]["data"].size() > 0 ? now_["items"]["data"].at(0) : Node();
    const auto of_item = item["current_period_start"].time();
    const auto begun = of_item ? of_item : now_["current_period_start"].time();
    return trial_end && begun == trial_end;
  }

  void start(Node time, bool converted_from_trial) {
    (void)draft_.decide(draft_.key("started", id()), [&] { return second_of(draft_.created()); });
    draft_.add_event(Report::kSubscriptions,
                     klaviyo::subscription_started(event(time.time().value_or(draft_.created()),
                                                         draft_.unique_id(id(), "started")),
                                                   {.converted_from_trial = converted_from_trial}));
  }

  void start_trial(Node time, bool is_existing) {
    const auto start = now_["trial_start"].time();
    const auto key = second_of(start.value_or(draft_.created()));
    draft_.add_event(
        Report::kSubscriptions,
        klaviyo::subscription_trial_started(
            event(time.time().value_or(draft_.created()), draft_.unique_id(id(), "trial", key)),
            {.started_at = start, .existing_subscription = is_existing}));
  }

  void follow_plan() {
    const auto before = plan_before(before_, plan_, now_["currency"].text());
    if (!before || is_same(*before, plan_)) return;
    auto subscription = event(draft_.created(), draft_.unique_id(draft_.event_id()));
    klaviyo::PlanChange change;
    const PlanItem& old = before->front();
    change.previous_plan_id = old.price_id;
    if (old.quantity > 0) change.previous_quantity = old.quantity;
    if (old.amount && currency_of(old.currency) == subscription.price.currency) {
      change.previous_price = whole_units(*old.amount, subscription.price.currency);
      if (!change.previous_price) {
        change.exact_previous_price = major_units(*old.amount, subscription.price.currency);
      }
    }
    subscription.properties.push_back({"PreviousPriceId", std::string(old.price_id)});
    const int cost = compare_cost(*before, plan_);
    const auto make = cost > 0   ? klaviyo::subscription_upgraded
                      : cost < 0 ? klaviyo::subscription_downgraded
                                 : klaviyo::subscription_changed;
    draft_.add_event(Report::kSubscriptions, make(std::move(subscription), std::move(change)));
  }

  // An end may be scheduled in two ways: the flag, or, with the flexible billing mode, the date.
  void follow_cancellation() {
    const bool is_flagged = now_["cancel_at_period_end"].is_true();
    const auto cancel_at = now_["cancel_at"].time();
    const bool was_flagged = before_["cancel_at_period_end"].boolean().value_or(is_flagged);
    const auto cancel_at_before =
        before_.has("cancel_at") ? before_["cancel_at"].time() : cancel_at;
    const bool is_scheduled = is_flagged || cancel_at;
    const bool was_scheduled = was_flagged || cancel_at_before;
    if (is_scheduled == was_scheduled || status() == "canceled") return;
    if (is_scheduled) {
      const auto asked_at = now_["canceled_at"].time().value_or(draft_.created());
      return cancel(asked_at, asked_at, cancel_at ? cancel_at : period_end_of(now_), false);
    }
    const auto asked_at = before_["canceled_at"].time();
    const auto key = second_of(asked_at.value_or(draft_.created()));
    draft_.add_event(Report::kSubscriptions,
                     klaviyo::subscription_reactivated(
                         event(draft_.created(), draft_.unique_id(id(), "reactivated", key)),
                         {.cancelled_at = asked_at}));
  }

  // `canceled_at` stays that of the request, so that a scheduled end and the end itself report one
  // cancellation.
  void cancel(WallTime time, WallTime asked_at, std::optional<WallTime> effective_at,
              bool is_immediate) {
    klaviyo::Cancellation cancellation;
    cancellation.cancelled_at = asked_at;
    cancellation.effective_at = effective_at;
    cancellation.immediate = is_immediate;
    cancellation.reason = reason();
    cancellation.feedback = now_["cancellation_details"]["feedback"].text();
    draft_.add_event(Report::kSubscriptions,
                     klaviyo::subscription_cancelled(
                         event(time, draft_.unique_id(id(), "cancelled", second_of(asked_at))),
                         std::move(cancellation)));
  }

  // Invoices are created but not collected: the subscription stays active.
  void follow_collection() {
    if (!before_.has("pause_collection")) return;
    const bool is_paused = now_["pause_collection"].is_object();
    const bool was_paused = before_["pause_collection"].is_object();
    if (is_paused == was_paused) return;
    constexpr std::string_view kKind = "pause_collection";
    if (is_paused) return pause(kKind, now_["pause_collection"]["resumes_at"].time());
    resume(kKind);
  }

  void pause(std::string_view kind, std::optional<WallTime> resumes_at) {
    draft_.add_event(
        Report::kSubscriptions,
        klaviyo::subscription_paused(event(draft_.created(), draft_.unique_id(draft_.event_id())),
                                     {.kind = std::string(kind), .resumes_at = resumes_at}));
  }

  void resume(std::string_view kind) {
    draft_.add_event(
        Report::kSubscriptions,
        klaviyo::subscription_resumed(event(draft_.created(), draft_.unique_id(draft_.event_id())),
                                      {.kind = std::string(kind)}));
  }

  klaviyo::Subscription event(WallTime time, std::string unique_id) {
    klaviyo::Subscription subscription;
    subscription.subscription_id = id();
    subscription.status = status();
    subscription.occurred_at = time;
    subscription.current_period_end = period_end_of(now_);
    subscription.trial_end = now_["trial_end"].time();
    if (!plan_.empty()) describe(plan_.front(), subscription);
    subscription.customer = draft_.profile(
        {.customer = draft_.customer(), .fallback = subscription.subscription_id}, unique_id);
    subscription.unique_id = std::move(unique_id);
    return subscription;
  }

  // Nothing for a fraction of the currency's minor unit.
  static std::optional<klaviyo::MinorUnits> whole_units(const klaviyo::Decimal& amount,
                                                        const klaviyo::Currency& currency) {
    return amount.digits == 0 ? minor_units(amount.scaled, currency) : std::nullopt;
  }

  static void describe(const PlanItem& item, klaviyo::Subscription& subscription) {
    subscription.plan_id = item.price_id;
    subscription.product_id = item.product_id;
    // The schema has no quantity below 1, and Klaviyo ignores a zero.
    subscription.quantity = std::max<std::int64_t>(1, item.quantity);
    if (item.quantity == 0) subscription.properties.push_back({"NoUnits", true});
    subscription.interval = klaviyo::parse_interval(item.interval).value_or(kUnknownInterval);
    subscription.interval_count = item.interval_count;
    subscription.price.currency = currency_of(item.currency);
    subscription.metered = !item.amount;
    if (item.amount) {
      const auto price = whole_units(*item.amount, subscription.price.currency);
      if (price) subscription.price.minor = price->count;
      if (!price) subscription.exact_price = major_units(*item.amount, subscription.price.currency);
    }
    // Stripe's name for it, beside the integration's PlanId.
    subscription.properties.push_back({"PriceId", std::string(item.price_id)});
  }

  Draft& draft_;
  Node now_;
  Node before_;
  Plan plan_;
};

}  // namespace

void map_subscription(std::string_view what, Draft& draft) {
  Mapper mapper(draft);
  if (what == "created") return mapper.created();
  if (what == "updated") return mapper.updated();
  if (what == "deleted") return mapper.deleted();
  if (what == "paused") return mapper.paused();
  if (what == "resumed") return mapper.resumed();
  if (what == "trial_will_end") return mapper.trial_will_end();
}

}  // namespace stripe
