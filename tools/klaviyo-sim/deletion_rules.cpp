#include "deletion_rules.hpp"

#include <optional>

#include "field_reader.hpp"
#include "profile_rules.hpp"

namespace sim {
namespace {

void take(const char* name, const std::optional<std::string>& value, DeletionJob& job,
          std::size_t& count) {
  if (!value) return;
  ++count;
  job.identifier = name;
  job.value = *value;
}

}  // namespace

DeletionJob read_deletion_job(const Json& body) {
  DeletionJob job;
  const FieldReader data = FieldReader(&body, "", job.problems).object("data", true);
  if (!data.ok()) return job;
  data.check_type("data-privacy-deletion-job");
  const FieldReader attributes = data.object("attributes", true);
  if (!attributes.ok()) return job;
  attributes.check_names({"profile"}, "data-privacy-deletion-job");
  const FieldReader profile = attributes.object("profile", true).object("data", true);
  if (!profile.ok()) return job;
  profile.check_type("profile");
  const FieldReader person = profile.object("attributes", true);
  if (!person.ok()) return job;
  person.check_names({"email", "phone_number"}, "profile");
  const auto email = person.text("email");
  const auto phone = person.text("phone_number");
  if (email && !is_email(*email)) person.note("email", "Invalid email address.");
  if (phone && !is_phone_number(*phone)) {
    person.note("phone_number", "Invalid phone number: it must have the E.164 form.");
  }
  std::size_t count = 0;
  take("id", profile.text("id"), job, count);
  take("email", email, job, count);
  take("phone_number", phone, job, count);
  if (count != 1) {
    job.problems.push_back(
        invalid(profile.pointer(), "Exactly one of email, phone_number and id is required."));
  }
  return job;
}

}  // namespace sim
