#include <algorithm>
#include <klaviyo/encode.hpp>
#include <klaviyo/events/consent.hpp>
#include <klaviyo/events/profile.hpp>
#include <klaviyo/events/scratch.hpp>
#include <klaviyo/events/settled.hpp>
#include <klaviyo/schemas/ignored_of_event.hpp>
#include <postbox/operator.hpp>

namespace klaviyo {

namespace {

// As a set: sorted, each once.
std::vector<std::string> set_of(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

void validate_unset(const Profile& profile, std::vector<postbox::Violation>& violations) {
  const postbox::Path root;
  const postbox::Path path = root.child("unset");
  for (std::size_t i = 0; i < profile.unset.size(); ++i) {
    const std::string& name = profile.unset[i];
    const postbox::Path item = path.item(i);
    postbox::validate(name, item, {.required = true}, violations);
    if (std::ranges::find(profile.properties, name, &Property::name) != profile.properties.end()) {
      violations.push_back({item.to_string(), "must not be one of properties, which sets it"});
    }
  }
}

// Behind the attributes: https://developers.klaviyo.com/en/reference/create_or_update_profile
void append_unset(const std::vector<std::string>& names, std::string& profile) {
  if (names.empty()) return;
  profile.pop_back();
  profile += R"(,"meta":{"patch_properties":{"unset":)";
  postbox::write_json(names, profile);
  profile += "}}}";
}

}  // namespace

ProfileUpdate::ProfileUpdate(Profile profile) : profile_(std::move(profile)) {
  normalize(profile_, {}, {}, changes_);
  const bool has_another = !profile_.email.empty() || !profile_.phone.empty() ||
                           !profile_.external_id.empty() || !profile_.kx.empty();
  if (has_another) profile_.anonymous_id.clear();
}

void ProfileUpdate::encode(postbox::EventBatch& batch) const {
  batch.set_name({kProfileMetric, kProfileLogName, {}});
  Settled::encode(*this, batch);
}

postbox::Key ProfileUpdate::profile_key(const postbox::EventBatch& batch) const {
  return Settled::profile_key(*this, batch);
}

void ProfileUpdate::encode_settled(postbox::EventBatch& batch) const {
  auto& violations = batch.violations();
  const postbox::Path root;
  validate_profile(profile_, root, violations);
  validate_unset(profile_, violations);
  if (!profile_.anonymous_id.empty()) {
    violations.push_back({"anonymous_id",
                          "must not be the only identifier: Klaviyo knows nobody by it outside of "
                          "events; expected email, phone, external_id or kx"});
  }
  std::string text(profile_text(profile_, root, kMaxLoneProfileBytes, violations));
  if (!violations.empty()) return;
  find_ignored_of_profile(profile_.properties, root.child("properties"), batch.warnings());
  std::vector<postbox::Violation> mended;
  find_mended(profile_, root, mended);
  batch.mend(std::move(mended));
  const std::vector<std::string> unset = set_of(profile_.unset);
  append_unset(unset, text);
  batch.add(encode_profile(profile_key(), text, unset, batch.now()));
}

ProfileUpdate identify(Profile profile) { return ProfileUpdate(std::move(profile)); }

std::vector<postbox::Key> keys_of(Profile profile, std::string_view default_country) {
  normalize(profile);
  std::vector<postbox::Violation> unheard;
  settle(profile, default_country, {}, unheard);
  std::vector<postbox::Key> keys;
  for (const auto identifier : {&Profile::email, &Profile::phone, &Profile::external_id,
                                &Profile::anonymous_id, &Profile::kx}) {
    if ((profile.*identifier).empty()) continue;
    Profile alone;
    alone.*identifier = profile.*identifier;
    keys.push_back(klaviyo::profile_key(alone));
  }
  for (const Channel channel : {Channel::kEmail, Channel::kSms}) {
    if ((channel == Channel::kEmail ? profile.email : profile.phone).empty()) continue;
    keys.push_back(consent_key(channel, profile));
  }
  return keys;
}

namespace {

// `outbox` is a tracker or an operator.
template <class T>
postbox::Result<std::size_t> forget_all(T& outbox, Profile profile, std::string_view country) {
  std::size_t removed = 0;
  for (const postbox::Key& key : keys_of(std::move(profile), country)) {
    auto of_this = outbox.forget(key);
    if (!of_this) return of_this;
    removed += *of_this;
  }
  return removed;
}

}  // namespace

postbox::Result<std::size_t> forget(postbox::Tracker& tracker, Profile profile) {
  const postbox::EventBatch batch({}, nullptr, tracker.context());
  return forget_all(tracker, std::move(profile), default_country(batch));
}

postbox::Result<std::size_t> forget(postbox::Operator& outbox, Profile profile,
                                    std::string_view default_country) {
  return forget_all(outbox, std::move(profile), default_country);
}

}  // namespace klaviyo
