#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <postbox/rfc3339.hpp>
#include <stripe/thin_events.hpp>
#include <utility>

namespace stripe {
namespace {

using postbox::HttpCompletion;
using postbox::HttpResponse;
using postbox::TransportFailure;
using Json = nlohmann::json;

// The v1 and the v2 API require one; a stored event comes in its own version all the same.
constexpr std::string_view kApiVersion = "2026-10-28.endive";

// An invoice of many lines has some 200 KiB.
constexpr postbox::Bytes kMostOfAnswer = postbox::mebibytes(4);

std::string text_of(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? found->get<std::string>()
             : std::string();
}

const Json& member(const Json& object, const char* name) {
  static const Json null;
  if (!object.is_object()) return null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

bool is_plain(std::string_view text, std::string_view also) {
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           also.find(c) != std::string_view::npos;
  });
}

// Fetch turns one thin event into a whole one. The event that Stripe has stored is best: its object
// is as it was at the time. If there is none, the object as it is now is taken, with the changed
// members as they were at the time.
class Fetch {
 public:
  explicit Fetch(const WaitingBody& waiting) : answer_{waiting.key} {
    thin_ = Json::parse(waiting.body, nullptr, false);
    id_ = text_of(thin_, "id");
    type_ = text_of(thin_, "type");
    constexpr std::string_view kVersion = "v1.";
    if (type_.starts_with(kVersion)) type_.erase(0, kVersion.size());
    ask_for_event(text_of(thin_, "snapshot_event"));
  }

  // The path of the next request; empty when no further one is needed.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  // The account of the event; empty for the API key's own.
  [[nodiscard]] std::string context() const {
    std::string context = text_of(thin_, "context");
    return is_plain(context, "/") ? context : std::string();
  }

  void take_answer(const HttpCompletion& completion) {
    const std::string asked = std::exchange(path_, {});
    if (const auto* failure = std::get_if<TransportFailure>(&completion.outcome)) {
      return fail("Stripe cannot be reached: " + failure->detail, true);
    }
    const auto& response = std::get<HttpResponse>(completion.outcome);
    if (response.status != 200) return refuse(response.status, asked);
    Json found = Json::parse(response.body, nullptr, false);
    if (!found.is_object()) {
      return fail("the answer to " + asked + " is not Stripe's: 200 without JSON", true);
    }
    switch (step_) {
      case Step::kKept:
        return take_kept_event(std::move(found));
      case Step::kThin:
        return take_thin_event(std::move(found));
      case Step::kObject:
        return take_object(std::move(found));
    }
  }

  void fail(std::string trouble, bool is_general) {
    path_.clear();
    answer_.trouble = std::move(trouble);
    answer_.is_general = is_general;
  }

  [[nodiscard]] ThinAnswer answer() && { return std::move(answer_); }

 private:
  enum class Step { kKept, kThin, kObject };

  void ask(Step step, std::string path) {
    step_ = step;
    path_ = std::move(path);
  }

  void ask_for_event(const std::string& kept) {
    if (is_plain(kept, {})) return ask(Step::kKept, "/v1/events/" + kept);
    if (is_plain(id_, {})) {
      return ask(Step::kThin, "/v2/core/events/" + id_);
    }
    fail("its id is not valid", false);
  }

  void refuse(int status, const std::string& asked) {
    const std::string what = std::to_string(status) + " for GET " + asked;
    if (status == 401) return fail(what + ": STRIPE_API_KEY is not valid", true);
    if (status == 403) {
      return fail(what +
                      ": STRIPE_API_KEY may not read it; allow the key to read events and "
                      "their objects",
                  true);
    }
    if (status == 404) {
      return fail(what + ": STRIPE_API_KEY must be of the same account and mode as the endpoint",
                  false);
    }
    fail(what, true);
  }

  void take_kept_event(Json event) {
    if (text_of(event, "object") != "event" || text_of(event, "type") != type_) {
      return fail("Stripe's answer is another event", false);
    }
    answer_.body = event.dump();
  }

  void take_thin_event(Json event) {
    if (text_of(event, "object") != "v2.core.event" || text_of(event, "id") != id_) {
      return fail("Stripe's answer is another event", false);
    }
    if (const auto kept = text_of(event, "snapshot_event"); is_plain(kept, {})) {
      return ask(Step::kKept, "/v1/events/" + kept);
    }
    changes_ = member(event, "changes");
    const std::string path = text_of(member(thin_, "related_object"), "url");
    if (!path.starts_with("/v1/") || !is_plain(path, "/")) {
      return fail("it names no object of the v1 API", false);
    }
    ask(Step::kObject, path);
  }

  // The object may be newer than the event.
  void take_object(Json object) {
    const auto created = postbox::parse_rfc3339(text_of(thin_, "created"));
    if (!created) return fail("created is not a time", false);
    const Json& after = member(changes_, "after");
    if (after.is_object()) object.merge_patch(after);
    Json event = {
        {"id", id_},
        {"object", "event"},
        {"type", type_},
        {"created", std::chrono::floor<std::chrono::seconds>(*created).time_since_epoch().count()},
        {"livemode", member(thin_, "livemode")},
        {"data", {{"object", std::move(object)}}}};
    const Json& before = member(changes_, "before");
    if (before.is_object()) event["data"]["previous_attributes"] = before;
    const std::string context = this->context();
    const auto account = context.rfind("acct_");
    if (account != std::string::npos) event["account"] = context.substr(account);
    answer_.body = event.dump();
  }

  ThinAnswer answer_;
  Json thin_;
  Json changes_;
  std::string id_;
  std::string type_;  // without "v1."
  Step step_ = Step::kKept;
  std::string path_;
};

postbox::HttpRequest request_of(const Fetch& fetch, const std::string& api_url,
                                std::string_view api_key) {
  postbox::HttpRequest request;
  request.method = postbox::HttpMethod::kGet;
  request.url = api_url + fetch.path();
  request.headers = {"Authorization: Bearer " + std::string(api_key),
                     "Stripe-Version: " + std::string(kApiVersion)};
  if (const auto context = fetch.context(); !context.empty()) {
    request.headers.push_back("Stripe-Context: " + context);
  }
  return request;
}

}  // namespace

ThinEvents::ThinEvents(std::shared_ptr<postbox::HttpClient> http, std::string api_url,
                       std::string ca_file)
    : api_url_(std::move(api_url)), ca_file_(std::move(ca_file)), http_(std::move(http)) {}

postbox::Result<void> ThinEvents::connect() {
  if (!http_) {
    postbox::HttpOptions options;
    options.max_response = kMostOfAnswer;
    options.ca_file = ca_file_;
    auto made = postbox::curl_http_client(options);
    if (!made) return made.error();
    http_ = *std::move(made);
  }
  to_wake_ = http_.get();
  return {};
}

std::vector<ThinAnswer> ThinEvents::fetch(const std::vector<WaitingBody>& events,
                                          std::string_view api_key) {
  const auto connected = connect();
  std::vector<Fetch> all;
  for (const WaitingBody& event : events) {
    all.emplace_back(event);
    if (!connected) all.back().fail(connected.error().message, true);
  }
  std::map<postbox::TransferId, Fetch*> under_way;
  const auto start_next = [&](Fetch& fetch) {
    if (fetch.path().empty()) return;
    const auto id = http_->start(request_of(fetch, api_url_, api_key));
    if (!id) return fetch.fail(id.error().message, true);
    under_way.emplace(*id, &fetch);
  };
  for (Fetch& fetch : all) start_next(fetch);
  while (!under_way.empty()) {
    if (is_stopping_) {
      http_->cancel_all();
      return {};
    }
    for (const HttpCompletion& completion : http_->poll(std::chrono::seconds(1))) {
      const auto found = under_way.extract(completion.id);
      if (found.empty()) continue;
      found.mapped()->take_answer(completion);
      start_next(*found.mapped());
    }
  }
  std::vector<ThinAnswer> answers;
  for (Fetch& fetch : all) answers.push_back(std::move(fetch).answer());
  return answers;
}

void ThinEvents::stop() noexcept {
  is_stopping_ = true;
  if (auto* http = to_wake_.load()) http->wake();
}

}  // namespace stripe
