#include <cstring>
#include <klaviyo/consent_job.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/request.hpp>
#include <set>

namespace klaviyo {
namespace {

constexpr std::string_view kSubscribe =
    R"("type":"profile-subscription-bulk-create-job","attributes":{)";
constexpr std::string_view kUnsubscribe =
    R"("type":"profile-subscription-bulk-delete-job","attributes":{)";
constexpr std::string_view kList = R"(},"relationships":{"list":{"data":{"type":"list","id":)";
constexpr std::string_view kNobody = R"({"type":"profile","attributes":{}})";

void end_job(const Consent& consent, std::string& job) {
  if (consent.list.empty()) {
    job += '}';
    return;
  }
  job += kList;
  postbox::append_string(consent.list, job);
  job += "}}}";
}

// The job of a record; that of a damaged one has nothing that Klaviyo would take.
std::string_view job_of(const postbox::EventRecord& record) {
  const auto payload = decode(record.payload);
  return payload && payload->is_consent() ? payload->members : std::string_view();
}

}  // namespace

std::string subscribe_job(const Consent& consent, bool is_history) {
  std::string job(kSubscribe);
  if (!consent.custom_source.empty()) {
    job += R"("custom_source":)";
    postbox::append_string(consent.custom_source, job);
  }
  if (is_history) {
    postbox::append_name("historical_import", consent.custom_source.empty(), job);
    job += "true";
  }
  end_job(consent, job);
  return job;
}

std::string unsubscribe_job(const Consent& consent) {
  std::string job(kUnsubscribe);
  end_job(consent, job);
  return job;
}

bool has_list(std::string_view job) { return job.find(kList) != std::string_view::npos; }

postbox::Sharing sharing_of(const postbox::EventRecord& record) {
  const std::string_view job = job_of(record);
  postbox::Sharing sharing;
  sharing.most = job.starts_with(kUnsubscribe) ? kMaxUnsubscribed : kMaxSubscribed;
  const postbox::Key key = hash_key({job});
  std::memcpy(&sharing.group, key.data(), sizeof sharing.group);
  return sharing;
}

std::string job_body(std::span<const postbox::EventRecord* const> events) {
  std::string_view job = job_of(*events.front());
  if (job.empty()) job = R"("type":"profile-subscription-bulk-create-job","attributes":{})";
  const std::size_t head = kSubscribe.size();  // both are as long
  static_assert(kSubscribe.size() == kUnsubscribe.size());
  std::string body = R"({"data":{)";
  body += job.substr(0, head);
  body += R"("profiles":{"data":[)";
  std::string_view separator;
  for (const postbox::EventRecord* event : events) {
    const auto payload = decode(event->payload);
    body += separator;
    body += payload ? payload->profile : kNobody;
    separator = ",";
  }
  body += "]}";
  const std::string_view rest = job.substr(head);
  if (!rest.starts_with('}')) body += ',';
  body += rest;
  return body += "}}";
}

std::vector<std::size_t> find_job_culprits(std::span<const postbox::EventRecord* const> events,
                                           std::span<const std::string> pointers) {
  std::set<std::size_t> culprits;
  for (std::string_view pointer : pointers) {
    const auto place = take_index("/data/attributes/profiles/data/", pointer);
    if (place && *place < events.size()) culprits.insert(*place);
  }
  return {culprits.begin(), culprits.end()};
}

}  // namespace klaviyo
