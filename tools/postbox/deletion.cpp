#include "deletion.hpp"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "selection.hpp"

namespace postbox::cli {
namespace {

using std::chrono::milliseconds;
using ApiJson = nlohmann::json;

constexpr milliseconds kFirstWait{1'000};
constexpr milliseconds kLongestWait{30'000};
// A request under way has ended by then, or nearly always.
constexpr milliseconds kBeforeLastLook{10'000};

constexpr std::string_view kMayLook = "profiles:read";
constexpr std::string_view kMayDelete = "data-privacy:write";
constexpr const char* kDeletedPage = "https://www.klaviyo.com/account/deleted";

// Nothing when the answer is of another form.
std::optional<std::set<std::string>> ids_in(const HttpResponse& response) {
  const ApiJson body = ApiJson::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object() || !body.contains("data") || !body["data"].is_array()) return std::nullopt;
  std::set<std::string> ids;
  for (const ApiJson& profile : body["data"]) {
    const auto id = profile.is_object() ? profile.find("id") : profile.end();
    if (id == profile.end() || !id->is_string()) return std::nullopt;
    ids.insert(id->get<std::string>());
  }
  return ids;
}

std::optional<std::set<std::string>> ids_in(const ProbeAnswer& answer) {
  const HttpResponse* response = success(answer);
  return response == nullptr ? std::nullopt : ids_in(*response);
}

bool is_not_there(const ProbeAnswer& answer) {
  const auto* response = std::get_if<HttpResponse>(&answer);
  return response != nullptr && response->status == 404;
}

ApiJson job_of(const std::string& field, const std::string& value) {
  ApiJson profile = {{"type", "profile"}, {"attributes", ApiJson::object()}};
  (field == "id" ? profile : profile["attributes"])[field] = value;
  return {{"data",
           {{"type", "data-privacy-deletion-job"},
            {"attributes", {{"profile", {{"data", std::move(profile)}}}}}}}};
}

const char* words_of(const std::string& field) {
  if (field == "email") return "by the e-mail address";
  return field == "phone_number" ? "by the phone number" : "by its id at Klaviyo";
}

}  // namespace

Deletion::Deletion(Api& api, Steps& steps, const klaviyo::Profile& person)
    : api_(api), steps_(steps) {
  for (const auto& [field, value] :
       {std::pair("email", person.email), std::pair("phone_number", person.phone),
        std::pair("external_id", person.external_id)}) {
    if (!value.empty()) identifiers_.push_back({.field = field, .value = value});
  }
}

ProbeAnswer Deletion::look(const Identifier& identifier) {
  return api_.get_patiently(
      "/api/profiles?filter=" +
      percent_encoded("equals(" + identifier.field + "," + in_quotes(identifier.value) + ")") +
      "&fields%5Bprofile%5D=created&page%5Bsize%5D=100");
}

int Deletion::find() {
  for (Identifier& identifier : identifiers_) {
    const ProbeAnswer answer = look(identifier);
    may_look_ = !is_forbidden(answer);
    if (!may_look_) break;
    auto ids = ids_in(answer);
    if (!ids) {
      const klaviyo::Finding fault = refusal_of(answer, kMayLook);
      return steps_.give_up(fault.what + ". Nothing was removed", fault.advice);
    }
    identifier.profiles = *std::move(ids);
  }
  if (may_look_) {
    steps_.add("found", "Klaviyo has " + counted(*found(), "profile") + " of this person");
    is_gone_ = *found() == 0;
  } else if (identifiers_.back().field == "external_id") {
    const std::string what = "To find a person by the shop's own id the key needs profiles:read";
    return steps_.give_up(what + ". Nothing was removed",
                          "name the e-mail address, or make a key that has it");
  }
  return kDone;
}

std::set<std::string> Deletion::profiles() const {
  std::set<std::string> all;
  for (const Identifier& identifier : identifiers_) {
    all.insert(identifier.profiles.begin(), identifier.profiles.end());
  }
  return all;
}

std::optional<std::size_t> Deletion::found() const noexcept {
  return may_look_ ? std::optional(profiles().size()) : std::nullopt;
}

int Deletion::ask_for(const std::string& field, const std::string& value) {
  const ProbeAnswer answer =
      api_.post_patiently("/api/data-privacy-deletion-jobs", job_of(field, value));
  // After a repeated request the profile may be gone already: whether it is, a look says.
  if (success(answer) != nullptr || (may_look_ && is_not_there(answer))) {
    steps_.add("asked", std::string("asked Klaviyo to delete the profile, ") + words_of(field));
    return kDone;
  }
  const klaviyo::Finding fault = refusal_of(answer, kMayDelete);
  return steps_.give_up(fault.what + ". Klaviyo was not asked to delete the profile",
                        fault.advice + ". By hand: Delete profile, on the profile's page");
}

// One job for each identifier that Klaviyo knows. It takes no external id: those profiles are
// deleted by their own.
int Deletion::ask_for_all() {
  std::set<std::string> covered;
  for (const Identifier& identifier : identifiers_) {
    if (identifier.field == "external_id") continue;
    if (may_look_ && identifier.profiles.empty()) continue;
    if (const int code = ask_for(identifier.field, identifier.value); code != kDone) return code;
    covered.insert(identifier.profiles.begin(), identifier.profiles.end());
  }
  for (const std::string& id : profiles()) {
    if (covered.contains(id)) continue;
    if (const int code = ask_for("id", id); code != kDone) return code;
  }
  return kDone;
}

std::optional<std::size_t> Deletion::count_left(std::string& last_answer) {
  std::set<std::string> left;
  for (const Identifier& identifier : identifiers_) {
    const ProbeAnswer answer = look(identifier);
    last_answer = in_short(answer);
    const auto ids = ids_in(answer);
    if (!ids) return std::nullopt;
    left.insert(ids->begin(), ids->end());
  }
  return left.size();
}

int Deletion::follow() {
  std::string last_answer = "none";
  milliseconds waited{0};
  milliseconds next = kFirstWait;
  while (api_.wait(next)) {
    waited += next;
    const auto left = count_left(last_answer);
    if (left && *left == 0) {
      is_gone_ = true;
      steps_.add("gone", "gone from Klaviyo");
      return kDone;
    }
    steps_.note(left ? "Klaviyo still has " + counted(*left, "profile") + " after " +
                           in_words(waited)
                     : "Klaviyo does not say whether the profile is gone: " + last_answer);
    next = std::min(next * 2, kLongestWait);
  }
  is_gone_ = false;
  return steps_.give_up(
      std::string("Klaviyo has accepted the deletion, and it was not over ") +
          (api_.is_interrupted() ? "when this was ended" : "within the timeout") +
          " (last answer: " + last_answer + ")",
      std::string("Klaviyo goes on by itself. Run this again later, with a longer --timeout, or "
                  "look at ") +
          kDeletedPage);
}

int Deletion::remove() {
  if (may_look_ && *found() == 0) return kDone;
  if (const int code = ask_for_all(); code != kDone) return code;
  if (may_look_) return follow();
  return steps_.give_up(
      "Klaviyo has accepted the deletion; whether it is done is not known, since the key lacks "
      "profiles:read",
      std::string("look at ") + kDeletedPage +
          ", or run this again with a key that also has profiles:read");
}

int Deletion::look_again() {
  (void)api_.wait(kBeforeLastLook);
  std::string last_answer;
  const auto left = count_left(last_answer);
  if (!left) {
    is_gone_.reset();
    return steps_.give_up(
        "Whether Klaviyo got a new profile meanwhile is not known (last answer: " + last_answer +
            ")",
        "run this again");
  }
  is_gone_ = *left == 0;
  if (*is_gone_) {
    steps_.add("looked again", "Klaviyo has no profile of this person");
    return kDone;
  }
  return steps_.give_up(
      "Klaviyo has a new profile of this person: an event of theirs arrived meanwhile",
      "keep the shop from reporting them, and run this again");
}

}  // namespace postbox::cli
