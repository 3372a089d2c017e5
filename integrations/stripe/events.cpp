#include <stripe/events.hpp>

namespace stripe {

void OrderPlaced::encode(postbox::EventBatch& batch) const {
  const std::size_t before = batch.records().size();
  order_.encode(batch);
  if (batch.records().size() > before + 1) batch.records().resize(before + 1);
}

}  // namespace stripe
