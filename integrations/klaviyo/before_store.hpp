// BeforeStore is the host's last word on what of an event may be stored and sent, field by field.
//
// Place:     Config::before_store; between the check of an event and the outbox.
// Threads:   called by track(), so by several threads at once.
// Lifetime:  copied; the views are good for the call.
// Failure:   an event is rejected when the function throws, and when it leaves the profile without
//            an identifier.
#pragma once

#include <postbox/callback.hpp>
#include <string>
#include <string_view>

namespace klaviyo {

// A value on its way to the disk. What an event cannot be without is no field: its metric, time,
// value and unique_id. Nor is anything of a word of consent.
struct StoredField {
  std::string_view metric;  // as it is sent: "Placed Order"; "Profile" of an update of a profile

  // By the names that Klaviyo knows: "properties.OrderId", "properties.Items[].ProductName",
  // "profile.email", "profile.location.city", "profile.properties.Loyalty Tier".
  std::string_view path;

  std::string_view value;  // a text as it is; a number, true and false as JSON has them
};

// A field is kept, or given another text, or left out. Another text takes the place of a number,
// too; an empty one leaves the field out.
class FieldDecision {
 public:
  [[nodiscard]] static FieldDecision keep() { return FieldDecision(true, {}); }
  [[nodiscard]] static FieldDecision remove() { return FieldDecision(false, {}); }
  [[nodiscard]] static FieldDecision replace(std::string text) {
    return FieldDecision(false, static_cast<std::string&&>(text));
  }

  [[nodiscard]] bool is_kept() const noexcept { return is_kept_; }
  [[nodiscard]] bool is_removed() const noexcept { return !is_kept_ && text_.empty(); }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  FieldDecision(bool is_kept, std::string&& text)  // std::move would cost <utility>
      : is_kept_(is_kept), text_(static_cast<std::string&&>(text)) {}

  bool is_kept_;
  std::string text_;
};

//   config.before_store = [](const klaviyo::StoredField& field) {
//     return field.path == "profile.phone_number" ? klaviyo::FieldDecision::remove()
//                                                 : klaviyo::FieldDecision::keep();
//   };
using BeforeStore = postbox::Callback<FieldDecision(const StoredField&)>;

}  // namespace klaviyo
