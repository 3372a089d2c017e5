#include <klaviyo/schemas/ignored.hpp>

namespace klaviyo {

void warn(Ignored what, const postbox::Path& path, std::vector<postbox::Violation>& warnings) {
  if (what == Ignored::kNo) return;
  warnings.push_back({path.to_string(), what == Ignored::kZero
                                            ? "is zero, which Klaviyo reads as never set"
                                            : kIsEmpty});
}

}  // namespace klaviyo
