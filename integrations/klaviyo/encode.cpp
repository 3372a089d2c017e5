#include <algorithm>
#include <atomic>
#include <charconv>
#include <klaviyo/encode.hpp>
#include <klaviyo/families.hpp>
#include <klaviyo/hash.hpp>
#include <klaviyo/redact.hpp>
#include <memory>
#include <nlohmann/json.hpp>

namespace klaviyo {
namespace {

constexpr std::string_view kVersion = "1 ";
constexpr std::size_t kFraming = 300;  // the members around the properties, at their longest

// Neither can stand inside a text of the caller's, where quotes are escaped.
constexpr std::string_view kMetric = R"(},"metric":{"data":{"type":"metric","attributes":{"name":)";
constexpr std::string_view kUniqueId = R"(,"unique_id":)";
constexpr std::string_view kConsentJob = R"("type":"profile-subscription-bulk-)";
constexpr std::string_view kDeleteJob = R"("type":"profile-subscription-bulk-delete-job")";
constexpr std::string_view kBackfill = R"(,"backfill":true)";

postbox::Error damaged(std::string_view what) {
  return {postbox::ErrorCode::kInvalidArgument,
          "the stored event is damaged: " + std::string(what)};
}

// The first two lines; reserves `size` bytes behind the first.
void begin_payload(const EventHead& head, std::size_t size, std::string& out) {
  constexpr std::size_t kNumbers = 24;
  out.reserve(kNumbers + head.log_name.size() + head.subject.size() + size);
  out += kVersion;
  postbox::append_integer(static_cast<std::int64_t>(head.profile.size()), out);
  out += ' ';
  out += head.log_name;
  out += '\t';
  out += head.subject;
  out += '\n';
  out += head.profile;
}

std::string_view bytes_of(const postbox::Key& key) {
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

// Returns the offset behind the string that begins at `at`.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at + 1;
}

// The paths of all members, sorted: which fields an object says something of, and not what. A list
// is a value.
std::vector<std::string> field_paths(std::string_view json) {
  std::vector<std::string> paths;
  std::vector<std::size_t> parents;  // how long the path of each object around is
  std::string path;
  int lists = 0;
  for (std::size_t at = 0; at < json.size(); ++at) {
    if (json[at] == '{') parents.push_back(path.size());
    if (json[at] == '}' && !parents.empty()) parents.pop_back();
    if (json[at] == '[') ++lists;
    if (json[at] == ']') --lists;
    if (json[at] != '"') continue;
    const std::size_t end = end_of_string(json, at);
    if (lists == 0 && end < json.size() && json[end] == ':' && !parents.empty()) {
      path.resize(parents.back());
      path += json.substr(at, end - at);
      paths.push_back(path);
    }
    at = end - 1;
  }
  std::ranges::sort(paths);
  return paths;
}

// Updates of one profile that set the same fields: the newer one leaves nothing of the older.
postbox::Key slot_of(const postbox::Key& profile_key, std::string_view profile,
                     const std::vector<std::string>& unset) {
  Hasher hasher;
  hasher.add("fields");
  hasher.add(bytes_of(profile_key));
  for (const std::string& path : field_paths(profile)) hasher.add(path);
  for (const std::string& name : unset) hasher.add(name);
  return hasher.finish();
}

// No two updates have one key, not even equal ones: of A, B and A again the last must be sent last.
postbox::Key update_key(const postbox::Key& profile_key, std::string_view profile,
                        postbox::WallTime now) {
  static std::atomic<std::uint64_t> count{0};
  Hasher hasher;
  hasher.add(bytes_of(profile_key));
  hasher.add(kProfileMetric);
  hasher.add(profile);
  hasher.add_number(static_cast<std::uint64_t>(now.time_since_epoch().count()));
  hasher.add_number(count.fetch_add(1, std::memory_order_relaxed));
  return hasher.finish();
}

}  // namespace

postbox::EventRecord encode_profile(const postbox::Key& profile_key, std::string_view profile,
                                    const std::vector<std::string>& unset, postbox::WallTime now) {
  postbox::EventRecord record;
  record.queue = kProfile.queue;
  record.profile_key = profile_key;
  record.dedup_key = update_key(profile_key, profile, now);
  record.timing =
      postbox::Timing{.slot = slot_of(profile_key, profile, unset), .as_of = now, .in_order = true};
  EventHead head;
  head.profile = profile;
  head.log_name = kProfileLogName;
  begin_payload(head, profile.size(), record.payload);
  return record;
}

postbox::EventRecord encode_consent(const postbox::Key& consent_key, std::string_view profile,
                                    std::string_view job, postbox::WallTime now) {
  postbox::EventRecord record;
  record.queue = kConsent.queue;
  record.profile_key = consent_key;
  EventHead head;
  head.profile = profile;
  head.log_name = kConsentLogName;
  begin_payload(head, profile.size() + job.size(), record.payload);
  record.payload += job;
  record.dedup_key = update_key(consent_key, record.payload, now);
  // A slot of its own: nothing gives way. Somebody who was put on a list and taken off it must have
  // been on it: whoever is not is unsubscribed from everything.
  record.timing = postbox::Timing{.slot = record.dedup_key, .as_of = now, .in_order = true};
  return record;
}

bool Payload::is_consent() const noexcept { return members.starts_with(kConsentJob); }

bool Payload::is_unsubscribe() const noexcept { return members.starts_with(kDeleteJob); }

postbox::EventRecord begin_record(const EventHead& head, std::size_t size_hint) {
  postbox::EventRecord record;
  record.queue = head.queue;
  record.profile_key = head.profile_key;
  record.dedup_key = dedup_key(head.profile_key, head.metric, head.unique_id);
  begin_payload(head, kFraming + head.profile.size() + head.unique_id.size() + size_hint,
                record.payload);
  record.payload += R"("properties":{)";
  return record;
}

void finish_record(const EventHead& head, postbox::EventRecord& record) {
  std::string& out = record.payload;
  out += kMetric;
  postbox::append_string(head.metric, out);
  out += R"(}}},"time":")";
  postbox::append_time(head.time, out);
  out += '"';
  if (head.value) {
    out += R"(,"value":)";
    append_decimal(*head.value, out);
    out += R"(,"value_currency":)";
    postbox::append_string(head.value->currency.code(), out);
  }
  out += kUniqueId;
  postbox::append_string(head.unique_id, out);
}

postbox::Result<Payload> decode(std::string_view payload) {
  if (!payload.starts_with(kVersion)) return damaged("unknown version");
  const std::size_t line_end = payload.find('\n');
  if (line_end == std::string_view::npos) return damaged("no first line");
  std::string_view line = payload.substr(kVersion.size(), line_end - kVersion.size());
  payload.remove_prefix(line_end + 1);

  std::size_t profile_size = 0;
  const char* const end = line.data() + line.size();
  const auto [after, error] = std::from_chars(line.data(), end, profile_size);
  if (error != std::errc() || after == end || *after != ' ') return damaged("no profile length");
  line.remove_prefix(static_cast<std::size_t>(after - line.data()) + 1);
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos) return damaged("no log name");
  if (profile_size == 0 || profile_size > payload.size()) return damaged("wrong profile length");

  const Payload parts{line.substr(0, tab), line.substr(tab + 1), payload.substr(0, profile_size),
                      payload.substr(profile_size)};
  if (!parts.profile.starts_with('{') || !parts.profile.ends_with('}') ||
      !(parts.is_profile()   ? parts.log_name == kProfileLogName
        : parts.is_consent() ? parts.log_name == kConsentLogName
                             : parts.members.starts_with(R"("properties":{)"))) {
    return damaged("the parts do not fit");
  }
  return parts;
}

std::string with_parts(const Payload& parts, std::string_view profile, std::string_view members) {
  EventHead head;
  head.profile = profile;
  head.log_name = parts.log_name;
  head.subject = parts.subject;
  std::string payload;
  begin_payload(head, profile.size() + members.size(), payload);
  payload += members;
  return payload;
}

std::string_view metric_of(std::string_view payload) {
  const auto parts = decode(payload);
  if (!parts) return {};
  if (parts->is_profile()) return kProfileMetric;
  if (parts->is_consent()) {
    return parts->is_unsubscribe() ? kUnsubscribeMetric : kSubscribeMetric;
  }
  const std::size_t found = parts->members.find(kMetric);
  if (found == std::string_view::npos) return {};
  // No metric's name has a character that JSON escapes: check_metric_names().
  const std::string_view quoted = parts->members.substr(found + kMetric.size() + 1);
  return quoted.substr(0, quoted.find('"'));
}

std::string unique_id_of(std::string_view payload) {
  const auto parts = decode(payload);
  if (!parts) return {};
  const std::size_t found = parts->members.rfind(kUniqueId);  // the last member but `backfill`
  if (found == std::string_view::npos) return {};
  const std::string_view rest = parts->members.substr(found + kUniqueId.size());
  const auto text = nlohmann::json::parse(rest.substr(0, end_of_string(rest, 0)), nullptr, false);
  return text.is_string() ? text.get<std::string>() : std::string();
}

void mark_backfill(postbox::EventRecord& record) {
  const auto parts = decode(record.payload);
  if (!parts) return;
  // No flow starts for the update of a profile, and consent says itself whether it is history: they
  // only wait behind everything else.
  if (parts->is_event() && !record.payload.ends_with(kBackfill)) record.payload += kBackfill;
  record.queue = backfill_queue(record.queue);
  // History starts nothing, and waits for nothing. What it ends stays ended.
  const auto& timing = record.timing;
  if (timing && (timing->timer || timing->debounce.count() > 0)) record.timing.reset();
}

std::string clean_subject(std::string_view subject) {
  constexpr std::size_t kMaxSubject = 128;
  return redact_id(subject, kMaxSubject);
}

bool check_size(const postbox::EventRecord& record, std::vector<postbox::Violation>& violations) {
  if (record.payload.size() <= kMaxEventBytes) return true;
  violations.push_back({"event", "must have at most " + std::to_string(kMaxEventBytes) +
                                     " bytes (5 MB), found " +
                                     std::to_string(record.payload.size())});
  return false;
}

void check_time(postbox::WallTime time, postbox::WallTime now, const postbox::Path& path,
                std::vector<postbox::Violation>& violations) {
  using namespace std::chrono_literals;
  constexpr auto kEarliest = std::chrono::sys_days(1991y / 1 / 1);
  constexpr auto kAhead = std::chrono::days(365);
  if (time >= kEarliest && time <= now + kAhead) return;
  std::string rule = "must be after 1990 and at most one year ahead, found ";
  // Beyond the four-digit years there is no form that everyone would read.
  if (time < std::chrono::sys_days(0y / 1 / 1) || time >= std::chrono::sys_days(10000y / 1 / 1)) {
    rule += "a time outside the years 0 to 9999";
  } else {
    postbox::append_time(time, rule);
  }
  violations.push_back({path.to_string(), std::move(rule)});
}

void check_unique_id(std::string_view unique_id, const postbox::Path& path,
                     std::vector<postbox::Violation>& violations) {
  postbox::validate(unique_id, path, {.max_length = kMaxUniqueId}, violations);
}

void append_second(postbox::WallTime time, std::string& out) {
  const auto second = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch();
  postbox::append_integer(second.count(), out);
}

postbox::Key dedup_key(const postbox::Key& profile, std::string_view metric,
                       std::string_view unique_id) {
  // The profile's key stands for the profile: equal keys are the same person.
  return hash_key({bytes_of(profile), metric, unique_id});
}

}  // namespace klaviyo
