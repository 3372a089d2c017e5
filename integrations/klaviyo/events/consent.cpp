#include <algorithm>
#include <iterator>
#include <klaviyo/consent_job.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/events/consent.hpp>
#include <klaviyo/events/settled.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <utility>

namespace klaviyo {
namespace {

using postbox::Path;
using postbox::Violation;
using Verb = ConsentUpdate::Verb;

// As Klaviyo calls it.
std::string_view name_of(Channel channel) {
  switch (channel) {
    case Channel::kEmail:
      return "email";
    case Channel::kSms:
      return "sms";
    case Channel::kWhatsApp:
      break;
  }
  return "whatsapp";
}

// In a fixed order, each once.
void sort_channels(std::vector<Channel>& channels) {
  std::ranges::sort(channels);
  channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
}

// The identifier that reaches somebody by a channel.
struct Identifier {
  std::string_view name;
  const std::string* value;
  std::string problem;  // why it cannot be used, unless it is missing
  std::string_view required;

  [[nodiscard]] bool is_usable() const { return !value->empty() && problem.empty(); }
};

Identifier email_of(const Profile& profile) {
  return {"email", &profile.email, email_problem(profile.email),
          "is required: it is what e-mail reaches"};
}

Identifier phone_of(const Profile& profile) {
  return {"phone", &profile.phone, phone_problem(profile.phone),
          "is required: it is what SMS and WhatsApp reach"};
}

Identifier identifier_of(Channel channel, const Profile& profile) {
  return channel == Channel::kEmail ? email_of(profile) : phone_of(profile);
}

std::vector<Channel> reached(const std::vector<Channel>& channels, const Profile& profile) {
  std::vector<Channel> found;
  std::ranges::copy_if(channels, std::back_inserter(found), [&](Channel channel) {
    return identifier_of(channel, profile).is_usable();
  });
  return found;
}

// Nobody is reached by any of the channels: what each is missing, once.
void refuse(const std::vector<Channel>& channels, const Profile& profile,
            std::vector<Violation>& violations) {
  for (const auto& of : {email_of, phone_of}) {
    const Identifier identifier = of(profile);
    const bool is_asked = std::ranges::any_of(channels, [&](Channel channel) {
      return identifier_of(channel, profile).name == identifier.name;
    });
    if (!is_asked) continue;
    violations.push_back({std::string(identifier.name), identifier.problem.empty()
                                                            ? std::string(identifier.required)
                                                            : identifier.problem});
  }
}

// Leaves out parts so that the rest can go on.
void find_left_out(const std::vector<Channel>& channels, const Profile& profile,
                   std::vector<Violation>& changes) {
  for (const Identifier& identifier : {email_of(profile), phone_of(profile)}) {
    if (identifier.problem.empty()) continue;
    changes.push_back({std::string(identifier.name), identifier.problem + ": it was left out"});
  }
  for (const Channel channel : channels) {
    const Identifier identifier = identifier_of(channel, profile);
    if (identifier.is_usable()) continue;
    changes.push_back({"channels", "have " + std::string(name_of(channel)) + ", for which " +
                                       std::string(identifier.name) +
                                       " is missing or cannot be used: it was left out"});
  }
}

void validate(const Consent& consent, postbox::WallTime now, std::vector<Violation>& violations) {
  const Path root;
  postbox::check_count(consent.channels.size(), root.child("channels"), {.required = true},
                       violations);
  postbox::validate(consent.list, root.child("list"), {.max_length = 255}, violations);
  postbox::validate(consent.custom_source, root.child("custom_source"), {.max_length = 255},
                    violations);
  if (!consent.consented_at) return;
  check_time(*consent.consented_at, now, root.child("consented_at"), violations);
  if (*consent.consented_at > now + kConsentIsNews) {
    violations.push_back({"consented_at", "must not be in the future"});
  }
}

bool is_history(const Consent& consent, postbox::WallTime now) {
  return consent.consented_at && *consent.consented_at < now - kConsentIsNews;
}

// The profile with both identifiers, where they are usable: so the channels of one person do not
// become two profiles.
std::string profile_of(Verb verb, Channel channel, const Profile& profile,
                       const std::optional<postbox::WallTime>& history) {
  std::string text = R"({"type":"profile","attributes":{)";
  if (email_of(profile).is_usable()) {
    text += R"("email":)";
    postbox::append_string(profile.email, text);
    text += ',';
  }
  if (phone_of(profile).is_usable()) {
    text += R"("phone_number":)";
    postbox::append_string(profile.phone, text);
    text += ',';
  }
  text += R"("subscriptions":{")";
  text += name_of(channel);
  text += R"(":{"marketing":{"consent":")";
  text += verb == Verb::kSubscribe ? "SUBSCRIBED" : "UNSUBSCRIBED";
  text += '"';
  if (history) {
    text += R"(,"consented_at":")";
    postbox::append_time(*history, text);
    text += '"';
  }
  return text + "}}}}}";
}

}  // namespace

ConsentUpdate::ConsentUpdate(Verb verb, Profile profile, Consent consent)
    : verb_(verb), profile_(std::move(profile)), consent_(std::move(consent)) {
  normalize(profile_, {}, {}, changes_);
  sort_channels(consent_.channels);
}

postbox::Key ConsentUpdate::profile_key() const {
  return consent_key(consent_.channels.empty() ? Channel::kEmail : consent_.channels.front(),
                     profile_);
}

postbox::Key ConsentUpdate::profile_key(const postbox::EventBatch& batch) const {
  const Profile profile = known_to(batch);
  const auto channels = reached(consent_.channels, profile);
  return channels.empty() ? profile_key() : consent_key(channels.front(), profile);
}

// Only the tracker knows the country of a number without one.
Profile ConsentUpdate::known_to(const postbox::EventBatch& batch) const {
  Profile profile = profile_;
  std::vector<Violation> unheard;
  normalize(profile, default_country(batch), {}, unheard);
  return profile;
}

void ConsentUpdate::encode(postbox::EventBatch& batch) const {
  const bool subscribes = verb_ == Verb::kSubscribe;
  batch.set_name({subscribes ? kSubscribeMetric : kUnsubscribeMetric, kConsentLogName, {}});
  const Profile profile = known_to(batch);
  const auto channels = reached(consent_.channels, profile);
  validate(consent_, batch.now(), batch.violations());
  if (channels.empty()) refuse(consent_.channels, profile, batch.violations());
  if (!batch.violations().empty()) return;
  std::vector<Violation> changes = changes_;
  find_left_out(consent_.channels, profile, changes);
  batch.mend(std::move(changes));
  const bool history = subscribes && is_history(consent_, batch.now());
  if (!subscribes && consent_.list.empty()) {
    batch.warn({"list",
                "is empty: the profile is unsubscribed from everything that these channels bring"});
  }
  const std::string job = subscribes ? subscribe_job(consent_, history) : unsubscribe_job(consent_);
  for (const Channel channel : channels) {
    const std::string text =
        profile_of(verb_, channel, profile,
                   history ? consent_.consented_at : std::optional<postbox::WallTime>());
    batch.add(encode_consent(consent_key(channel, profile), text, job, batch.now()));
  }
}

postbox::Key consent_key(Channel channel, const Profile& profile) {
  if (channel == Channel::kEmail) return hash_key({"consent", "email", profile.email});
  return hash_key({"consent", "phone", profile.phone});
}

ConsentUpdate subscribe(Profile profile, Consent consent) {
  return {ConsentUpdate::Verb::kSubscribe, std::move(profile), std::move(consent)};
}

ConsentUpdate unsubscribe(Profile profile, Consent consent) {
  return {ConsentUpdate::Verb::kUnsubscribe, std::move(profile), std::move(consent)};
}

}  // namespace klaviyo
