// FieldFilter takes out of encoded events what may not be stored: by the allow-list of the shop's
// own properties, and by the host's BeforeStore.
//
// Place:     Integration::before_store, on the caller's thread, behind the encoding.
// Threads:   apply() may be called from several threads at once.
// Lifetime:  as long as the tracker.
// Failure:   what BeforeStore throws.
#pragma once

#include <klaviyo/before_store.hpp>
#include <klaviyo/config.hpp>
#include <map>
#include <optional>
#include <postbox/event.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace klaviyo {

class FieldFilter {
 public:
  explicit FieldFilter(const Config& config);

  // False where every field is kept, so that nobody need apply it.
  [[nodiscard]] static bool is_needed(const Config& config) {
    return config.before_store || !config.allowed_properties.empty();
  }

  // Rewrites the events of the batch, timers included. Keys stay as they are. What the allow-list
  // leaves out is a warning; a profile without an identifier is a violation.
  void apply(postbox::EventBatch& batch) const;

 private:
  class Rewriter;

  void apply(postbox::EventRecord& record, postbox::EventBatch& batch) const;
  [[nodiscard]] bool is_typed(std::string_view metric, std::string_view name) const;
  [[nodiscard]] bool is_allowed(std::string_view name) const;

  const BeforeStore before_store_;
  const std::vector<std::string> allowed_;  // empty: all

  // The names of the fields that a metric has by itself, by the name that is sent.
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> typed_;
};

}  // namespace klaviyo
