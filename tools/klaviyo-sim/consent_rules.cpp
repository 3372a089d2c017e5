#include "consent_rules.hpp"

#include <algorithm>

#include "field_reader.hpp"
#include "rfc3339.hpp"
#include "size_limits.hpp"

namespace sim {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

// What a job says of all its profiles, and what it is called.
struct JobRules {
  JobKind kind;
  TimePoint now;
  bool is_history;

  [[nodiscard]] bool subscribes() const { return kind == JobKind::kSubscribe; }
};

void read_consent_time(const FieldReader& marketing, const JobRules& rules,
                       ChannelConsent& consent) {
  if (!rules.subscribes()) return;
  const auto text = marketing.text("consented_at");
  if (!text) {
    if (rules.is_history) {
      marketing.note("consented_at", "consented_at is required when historical_import is true.");
    }
    return;
  }
  if (!rules.is_history) {
    marketing.note("consented_at", "consented_at is only accepted when historical_import is true.");
    return;
  }
  consent.consented_at = parse_date_time(*text);
  // In seconds: the clock's nanoseconds end with the year 2262.
  const auto now = std::chrono::floor<std::chrono::seconds>(rules.now);
  if (!consent.consented_at || *consent.consented_at > now) {
    marketing.note("consented_at", "consented_at must be a date-time in the past.");
  }
}

void read_channel(const FieldReader& channels, const char* name, const JobRules& rules,
                  ConsentOfProfile& profile) {
  const FieldReader channel = channels.object(name);
  if (!channel.ok()) return;
  const FieldReader marketing = channel.object("marketing");
  if (!marketing.ok()) return;
  const std::vector<std::string_view> names =
      rules.subscribes() ? std::vector<std::string_view>{"consent", "consented_at"}
                         : std::vector<std::string_view>{"consent"};
  marketing.check_names(names, "subscription");
  const char* const expected = rules.subscribes() ? "SUBSCRIBED" : "UNSUBSCRIBED";
  const auto consent = marketing.text("consent", true);
  if (consent && *consent != expected) {
    marketing.note("consent", "'" + *consent + "' is not '" + expected + "'.");
  }
  ChannelConsent& read = profile.channels.emplace_back(ChannelConsent{name, {}});
  read_consent_time(marketing, rules, read);
}

void check_identifiers(const FieldReader& attributes, const ConsentOfProfile& profile,
                       std::vector<Problem>& problems) {
  const auto email = attributes.text("email");
  const auto phone = attributes.text("phone_number");
  if (email && !is_email(*email)) attributes.note("email", "Invalid email address.");
  if (phone && !is_phone_number(*phone)) {
    attributes.note("phone_number", "Invalid phone number: it must have the E.164 form.");
  }
  if (!email && !phone && !profile.profile.id) {
    problems.push_back(invalid(attributes.pointer(), "An email or phone_number is required."));
  }
  for (const ChannelConsent& consent : profile.channels) {
    const bool is_mail = consent.channel == "email";
    if (!profile.profile.id && !(is_mail ? email : phone)) {
      attributes.note(is_mail ? "email" : "phone_number",
                      "Is required for the channel " + consent.channel + ".");
    }
  }
}

ConsentOfProfile read_profile_of(const Json& entry, const std::string& pointer,
                                 const JobRules& rules, std::vector<Problem>& problems) {
  ConsentOfProfile profile;
  const FieldReader resource(&entry, pointer, problems);
  if (!resource.ok()) return profile;
  resource.check_type("profile");
  if (rules.subscribes()) profile.profile.id = resource.text("id");
  const FieldReader attributes = resource.object("attributes", true);
  if (!attributes.ok()) return profile;
  std::vector<std::string_view> names = {"email", "phone_number", "subscriptions"};
  if (rules.subscribes()) names.push_back("age_gated_date_of_birth");
  attributes.check_names(names, "profile");
  const FieldReader channels = attributes.object("subscriptions", true);
  if (channels.ok()) {
    channels.check_names({"email", "sms", "whatsapp", "push"}, "subscriptions");
    for (const char* name : {"email", "sms", "whatsapp"}) {
      read_channel(channels, name, rules, profile);
    }
  }
  check_identifiers(attributes, profile, problems);
  for (const char* name : {"email", "phone_number"}) {
    if (const auto text = attributes.text(name)) profile.profile.attributes[name] = *text;
  }
  return profile;
}

void read_list(const FieldReader& data, ConsentJob& job) {
  const FieldReader list = data.object("relationships").object("list").object("data");
  if (!list.ok()) return;
  list.check_type("list");
  job.list = list.text("id", true);
  // No list is known here: what has the form of an id is one.
  const bool is_id =
      job.list && job.list->size() == 6 && std::ranges::all_of(*job.list, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
      });
  if (!job.list || is_id) return;
  Problem problem = invalid(list.pointer_to("id"), "A list with this id does not exist.");
  problem.status = 404;
  problem.code = "not_found";
  problem.title = "List not found.";
  job.problems.insert(job.problems.begin(), std::move(problem));
}

}  // namespace

ConsentJob read_consent_job(JobKind kind, const Json& body, TimePoint now) {
  ConsentJob job;
  const bool subscribes = kind == JobKind::kSubscribe;
  const FieldReader data = FieldReader(&body, "", job.problems).object("data", true);
  if (!data.ok()) return job;
  data.check_type(subscribes ? "profile-subscription-bulk-create-job"
                             : "profile-subscription-bulk-delete-job");
  const FieldReader attributes = data.object("attributes", true);
  if (!attributes.ok()) return job;
  if (subscribes) {
    attributes.check_names({"profiles", "custom_source", "historical_import"}, "job");
    job.custom_source = attributes.text("custom_source");
    job.is_history = attributes.boolean("historical_import").value_or(false);
  } else {
    attributes.check_names({"profiles"}, "job");
  }
  const FieldReader profiles = attributes.object("profiles", true);
  const Json* list = profiles.ok() ? profiles.find("data", true) : nullptr;
  if (list != nullptr && (!list->is_array() || list->empty())) {
    profiles.note("data", "Must be a list that is not empty.");
    list = nullptr;
  }
  const std::size_t most = subscribes ? kMaxSubscribedProfiles : kMaxUnsubscribedProfiles;
  if (list != nullptr && list->size() > most) {
    profiles.note("data", "Must not have more than " + std::to_string(most) + " profiles.");
    list = nullptr;
  }
  const JobRules rules{kind, now, job.is_history};
  for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const std::string place = join_pointer(profiles.pointer_to("data"), std::to_string(i));
    job.profiles.push_back(read_profile_of((*list)[i], place, rules, job.problems));
  }
  read_list(data, job);
  return job;
}

}  // namespace sim
