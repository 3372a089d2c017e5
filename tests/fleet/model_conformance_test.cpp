// The conformance suite over the model: what the fleet is simulated on does what SQLite and
// PostgreSQL do.
#include <numeric>

#include "outbox/outbox_conformance.hpp"

#include "model_backend.hpp"

namespace postbox::testing {
namespace {

OutboxOptions model_options(const std::filesystem::path& /*folder*/) {
  OutboxOptions options;
  options.url = "model:";
  options.backends.push_back(&fleet::model_backend());
  return options;
}

const std::vector<OutboxBackend>& models() {
  static const std::vector<OutboxBackend> all = {{"Model", model_options}};
  return all;
}

INSTANTIATE_TEST_SUITE_P(Fleet, OutboxConformance, ::testing::ValuesIn(models()), backend_name);
INSTANTIATE_TEST_SUITE_P(Fleet, OutboxHeld, ::testing::ValuesIn(models()), backend_name);
INSTANTIATE_TEST_SUITE_P(Fleet, OutboxTimers, ::testing::ValuesIn(models()), backend_name);
INSTANTIATE_TEST_SUITE_P(Fleet, OutboxOrder, ::testing::ValuesIn(models()), backend_name);

}  // namespace
}  // namespace postbox::testing
