// Everything that Klaviyo would ignore of an event, see ignored.hpp.
//
// Place:     the builders' encode(), for an event without violations.
// Threads:   pure functions.
// Lifetime:  nothing is kept.
// Failure:   none; every warning has the path of the caller's own field.
#pragma once

#include <klaviyo/schemas/ignored.hpp>
#include <klaviyo/schemas/item_fields.hpp>
#include <klaviyo/schemas/profile_fields.hpp>
#include <postbox/event.hpp>
#include <utility>
#include <vector>

namespace klaviyo {

// Own properties of an event, and of a profile, which stand at `path`.
void find_ignored(const std::vector<Property>& properties, const postbox::Path& path,
                  std::vector<postbox::Violation>& warnings);
void find_ignored_of_profile(const std::vector<Property>& properties, const postbox::Path& path,
                             std::vector<postbox::Violation>& warnings);

// The customer of an event, at `path`: known by a phone number alone, whose event an account
// without SMS drops; properties to remove, which an event does not.
void find_ignored_of_customer(const Profile& customer, const postbox::Path& path,
                              std::vector<postbox::Violation>& warnings);

// Categories beyond the 4,000 that the flat list can hold.
void find_ignored(const FlatLists& lists, std::vector<postbox::Violation>& warnings);

// Strings that are written otherwise than they were given, because they are no UTF-8 or too long.
void find_mended(const std::vector<Property>& properties, const postbox::Path& path,
                 std::vector<postbox::Violation>& warnings);
void find_mended(const Profile& profile, const postbox::Path& path,
                 std::vector<postbox::Violation>& warnings);

// Append what is ignored of the typed fields, the properties and the customer.
template <postbox::HasSchema Fields>
void warn_of_ignored(const Fields& fields, const std::vector<Property>& properties,
                     const Profile& customer, postbox::EventBatch& batch) {
  const postbox::Path root;
  find_ignored(fields, batch.warnings());
  find_ignored(properties, root.child("properties"), batch.warnings());
  std::vector<postbox::Violation> mended;
  postbox::find_mended(fields, root, mended);
  find_mended(properties, root.child("properties"), mended);
  find_mended(customer, root.child("customer"), mended);
  batch.mend(std::move(mended));
  const postbox::Path path = root.child("customer");
  find_ignored_of_customer(customer, path, batch.warnings());
}

}  // namespace klaviyo
