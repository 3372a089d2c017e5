#include <stripe/draft.hpp>

namespace stripe {

// The object is the customer itself.
void map_customer(std::string_view what, Draft& draft) {
  using namespace std::chrono_literals;
  if (what != "created" && what != "updated" && what != "deleted") return;
  const Node customer = draft.object();
  const auto id = customer["id"].text();
  const auto email = customer["email"].text();
  const auto now = draft.created();
  // The smallest step before it: an event of the same second belongs to the new address.
  draft.record_email_of(id, draft.previous()["email"].text(), now - 1ms);
  // The smallest step after it: an event of the same second still has the address.
  if (what == "deleted") draft.record_email_removal_of(id, now + 1ms);
  if (what == "updated" && usable_email(email).empty()) draft.record_email_removal_of(id, now);
  draft.record_email_of(id, email, now);
}

}  // namespace stripe
