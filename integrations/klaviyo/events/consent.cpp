#include <algorithm>
#include <klaviyo/consent_job.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/events/consent.hpp>
#include <klaviyo/hash.hpp>
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

bool is_usable_email(std::string_view email) { return is_email(email) && !is_dropped_email(email); }

// In a fixed order, each once.
void sort_channels(std::vector<Channel>& channels) {
  std::ranges::sort(channels);
  channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
}

// The values themselves are personal and stand in no message.
void validate_channel(Channel channel, const Profile& profile, std::vector<Violation>& violations) {
  if (channel == Channel::kEmail && !is_usable_email(profile.email)) {
    violations.push_back(
        {"email", profile.email.empty()
                      ? "is required: it is what is subscribed to e-mail"
                      : "must be a valid e-mail address, not at example.com or test.com"});
  }
  if (channel != Channel::kEmail && !is_e164(profile.phone)) {
    violations.push_back(
        {"phone", profile.phone.empty()
                      ? "is required: it is what is subscribed to SMS and WhatsApp"
                      : "must have the E.164 form: \"+\", country code, 7 to 15 digits in all"});
  }
}

void validate(const Profile& profile, const Consent& consent, postbox::WallTime now,
              std::vector<Violation>& violations) {
  const Path root;
  postbox::check_count(consent.channels.size(), root.child("channels"), {.required = true},
                       violations);
  for (const Channel channel : consent.channels) validate_channel(channel, profile, violations);
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
  if (is_usable_email(profile.email)) {
    text += R"("email":)";
    postbox::append_string(profile.email, text);
    text += ',';
  }
  if (is_e164(profile.phone)) {
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
  normalize(profile_);
  sort_channels(consent_.channels);
}

postbox::Key ConsentUpdate::profile_key() const {
  return consent_key(consent_.channels.empty() ? Channel::kEmail : consent_.channels.front(),
                     profile_);
}

void ConsentUpdate::encode(postbox::EventBatch& batch) const {
  const bool subscribes = verb_ == Verb::kSubscribe;
  batch.set_name({subscribes ? kSubscribeMetric : kUnsubscribeMetric, kConsentKind, {}});
  validate(profile_, consent_, batch.now(), batch.violations());
  if (!batch.violations().empty()) return;
  const bool history = subscribes && is_history(consent_, batch.now());
  if (!subscribes && consent_.list.empty()) {
    batch.warn({"list",
                "is empty: the profile is unsubscribed from everything that these channels bring"});
  }
  const std::string job = subscribes ? subscribe_job(consent_, history) : unsubscribe_job(consent_);
  for (const Channel channel : consent_.channels) {
    const std::string profile =
        profile_of(verb_, channel, profile_,
                   history ? consent_.consented_at : std::optional<postbox::WallTime>());
    batch.add(encode_consent(consent_key(channel, profile_), profile, job, batch.now()));
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
