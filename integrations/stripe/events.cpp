#include <algorithm>
#include <stripe/events.hpp>

namespace stripe {
namespace {

constexpr std::string_view kBoughtKey = "bought:";

}  // namespace

void OrderPlaced::encode(postbox::EventBatch& batch) const {
  const std::size_t before = batch.records().size();
  order_.encode(batch);
  if (batch.records().size() > before + 1) batch.records().resize(before + 1);
}

SplitKey split_address(std::string_view key) noexcept {
  std::size_t kind = kBoughtKey.size();
  if (!key.starts_with(kBoughtKey)) return {key, {}};
  if (key.substr(kind).starts_with("acct_"))
    kind = std::min(key.find(':', kind), key.size() - 1) + 1;
  return {key.substr(0, kind), key.substr(kind)};
}

}  // namespace stripe
