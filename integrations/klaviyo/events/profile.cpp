#include <klaviyo/encode.hpp>
#include <klaviyo/events/profile.hpp>
#include <klaviyo/events/scratch.hpp>

namespace klaviyo {

void ProfileUpdate::encode(postbox::EventBatch& batch) const {
  const postbox::Path root;
  validate_profile(profile_, root, batch.violations());
  const std::string_view text =
      profile_text(profile_, root, kMaxLoneProfileBytes, batch.violations());
  if (batch.violations().empty()) batch.add(encode_profile(profile_key(), text));
}

ProfileUpdate identify(Profile profile) { return ProfileUpdate(std::move(profile)); }

}  // namespace klaviyo
