#include <klaviyo/encode.hpp>
#include <klaviyo/events/backfill.hpp>

namespace klaviyo {

void mark_backfills(postbox::EventBatch& batch) {
  for (postbox::EventRecord& record : batch.records()) mark_backfill(record);
}

}  // namespace klaviyo
