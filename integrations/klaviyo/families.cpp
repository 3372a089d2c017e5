#include <klaviyo/families.hpp>

#include <algorithm>

namespace klaviyo {

std::vector<postbox::Family> every_queue(const std::vector<postbox::Family>& own) {
  std::vector<postbox::Family> queues(kFamilies.begin(), kFamilies.end());
  queues.insert(queues.end(), own.begin(), own.end());
  std::ranges::sort(queues, {}, &postbox::Family::queue);
  const std::size_t families = queues.size();
  for (std::size_t i = 0; i < families; ++i) {
    queues.push_back({backfill_queue(queues[i].queue), queues[i].name, queues[i].variable});
  }
  return queues;
}

}  // namespace klaviyo
