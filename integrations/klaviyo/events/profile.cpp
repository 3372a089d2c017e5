#include <klaviyo/encode.hpp>
#include <klaviyo/events/profile.hpp>
#include <klaviyo/events/scratch.hpp>
#include <klaviyo/schemas/ignored.hpp>

namespace klaviyo {

void ProfileUpdate::encode(postbox::EventBatch& batch) const {
  const postbox::Path root;
  batch.set_name({kProfileMetric, kProfileKind, {}});
  validate_profile(profile_, root, batch.violations());
  const std::string_view text =
      profile_text(profile_, root, kMaxLoneProfileBytes, batch.violations());
  if (!batch.violations().empty()) return;
  find_ignored_of_profile(profile_.properties, root.child("properties"), batch.warnings());
  batch.add(encode_profile(profile_key(), text, batch.now()));
}

ProfileUpdate identify(Profile profile) { return ProfileUpdate(std::move(profile)); }

postbox::Result<std::size_t> forget(postbox::Tracker& tracker, Profile profile) {
  normalize(profile);
  std::size_t removed = 0;
  for (const auto identifier : {&Profile::email, &Profile::phone, &Profile::external_id}) {
    if ((profile.*identifier).empty()) continue;
    Profile alone;
    alone.*identifier = profile.*identifier;
    auto of_this = tracker.forget(klaviyo::profile_key(alone));
    if (!of_this) return of_this;
    removed += *of_this;
  }
  return removed;
}

}  // namespace klaviyo
