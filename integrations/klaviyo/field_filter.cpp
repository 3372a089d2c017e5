#include <algorithm>
#include <array>
#include <klaviyo/catalogue.hpp>
#include <klaviyo/encode.hpp>
#include <klaviyo/field_filter.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

namespace klaviyo {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 5> kIdentifiers{"profile.email", "profile.phone_number",
                                                       "profile.external_id",
                                                       "profile.anonymous_id", "profile._kx"};

}  // namespace

// Writes a JSON object anew while it is parsed, without the fields that go. Numbers are written as
// they stand: 12.50 stays 12.50.
class FieldFilter::Rewriter : public nlohmann::json_sax<json> {
 public:
  Rewriter(const FieldFilter& filter, std::string_view metric, postbox::EventBatch& batch)
      : filter_(filter), metric_(metric), batch_(batch) {}

  std::string take() { return std::move(out_); }
  [[nodiscard]] bool has_identifier() const noexcept { return has_identifier_; }

  bool null() override { return value("null", /*is_text=*/false); }
  bool boolean(bool truth) override { return value(truth ? "true" : "false", false); }
  bool number_integer(number_integer_t number) override {
    return value(std::to_string(number), false);
  }
  bool number_unsigned(number_unsigned_t number) override {
    return value(std::to_string(number), false);
  }
  bool number_float(number_float_t, const string_t& text) override { return value(text, false); }
  bool string(string_t& text) override { return value(text, true); }
  bool binary(binary_t&) override { return false; }  // JSON has none

  bool start_object(std::size_t) override { return open('{', '}'); }
  bool start_array(std::size_t) override { return open('[', ']'); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    level.name = name;
    path_.resize(level.path);
    if (levels_.size() == 1) {
      // The members of the two texts whose values are fields.
      is_asked_ = name == "properties" || name == "attributes";
      path_ += name == "attributes" ? "profile" : name;
    } else {
      path_ += '.' + name;
    }
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const json::exception&) override {
    return false;
  }

 private:
  struct Level {
    char end;
    std::size_t path;       // the length of the path of what is around its members
    std::size_t begin;      // in `out_`, in front of its name
    std::size_t inside;     // the same behind its first character
    bool lost = false;      // something of it was left out
    std::string name = {};  // of the member that is being read
  };

  bool open(char first, char end) {
    const std::size_t begin = out_.size();
    leave_element();
    write_name();
    out_ += first;
    if (end == ']') path_ += "[]";
    levels_.push_back({end, path_.size(), begin, out_.size()});
    return true;
  }

  // A list or an object that has lost all of its members goes as a whole.
  bool close() {
    const Level level = std::move(levels_.back());
    levels_.pop_back();
    if (level.lost && out_.size() == level.inside && levels_.size() > 1) {
      out_.resize(level.begin);
      levels_.back().lost = true;
    } else {
      out_ += level.end;
    }
    if (level.end == ']') path_.resize(level.path - 2);
    return true;
  }

  bool value(std::string_view text, bool is_text) {
    leave_element();
    const FieldDecision decision = is_asked_ ? decide(text) : FieldDecision::keep();
    if (decision.is_removed()) {
      levels_.back().lost = true;
      return true;
    }
    has_identifier_ =
        has_identifier_ || std::ranges::find(kIdentifiers, path_) != kIdentifiers.end();
    write_name();
    if (decision.is_kept() && !is_text) {
      out_ += text;
    } else {
      postbox::append_string(decision.is_kept() ? text : decision.text(), out_);
    }
    return true;
  }

  // The elements of a list have one path; that of a member of the last one may stand behind it.
  void leave_element() {
    if (!levels_.empty() && levels_.back().end == ']') path_.resize(levels_.back().path);
  }

  void write_name() {
    if (levels_.empty()) return;
    const Level& level = levels_.back();
    if (out_.size() != level.inside) out_ += ',';
    if (level.end == ']') return;
    postbox::append_string(level.name, out_);
    out_ += ':';
  }

  FieldDecision decide(std::string_view text) {
    const std::string* own = own_property();
    if (own != nullptr && !filter_.is_allowed(*own)) {
      warn(*own);
      return FieldDecision::remove();
    }
    if (!filter_.before_store_) return FieldDecision::keep();
    return filter_.before_store_({.metric = metric_, .path = path_, .value = text});
  }

  // The name of the property of the shop's own that the value belongs to; null: of none.
  [[nodiscard]] const std::string* own_property() const {
    if (levels_.size() < 2) return nullptr;
    const std::string& first = levels_[1].name;
    if (levels_[0].name == "properties") {
      return filter_.is_typed(metric_, first) ? nullptr : &first;
    }
    return first == "properties" && levels_.size() > 2 ? &levels_[2].name : nullptr;
  }

  void warn(const std::string& name) {
    const bool of_profile = levels_[0].name != "properties";
    std::string path = (of_profile ? "customer.properties." : "properties.") + name;
    const auto is_same = [&path](const postbox::Violation& warning) {
      return warning.path == path;
    };
    if (std::ranges::any_of(batch_.warnings(), is_same)) return;
    batch_.warn({std::move(path), "is left out: KLAVIYO_ALLOWED_PROPERTIES does not have it"});
  }

  const FieldFilter& filter_;
  const std::string_view metric_;
  postbox::EventBatch& batch_;
  std::string out_;
  std::string path_;
  std::vector<Level> levels_;
  bool is_asked_ = false;
  bool has_identifier_ = false;
};

FieldFilter::FieldFilter(const Config& config)
    : before_store_(config.before_store), allowed_(config.allowed_properties) {
  for (const EventType& type : every_event_type()) {
    const auto renamed =
        std::ranges::find(config.metric_names, type.metric, &postbox::TypeNames::value_type::first);
    auto& names =
        typed_[renamed == config.metric_names.end() ? std::string(type.metric) : renamed->second];
    for (const postbox::FieldDescription& field : type.properties) names.emplace(field.name);
  }
}

bool FieldFilter::is_typed(std::string_view metric, std::string_view name) const {
  const auto found = typed_.find(metric);
  return found != typed_.end() && found->second.contains(name);
}

bool FieldFilter::is_allowed(std::string_view name) const {
  return allowed_.empty() || std::ranges::find(allowed_, name) != allowed_.end();
}

void FieldFilter::apply(postbox::EventBatch& batch) const {
  for (postbox::EventRecord& record : batch.records()) {
    if (postbox::has_event(record)) apply(record, batch);
    if (!batch.violations().empty()) return;
    if (!record.timing || !record.timing->timer) continue;
    postbox::Timing timing = *record.timing;
    apply(timing.timer->event, batch);
    record.timing = std::make_shared<const postbox::Timing>(std::move(timing));
  }
}

void FieldFilter::apply(postbox::EventRecord& record, postbox::EventBatch& batch) const {
  const auto parts = decode(record.payload);
  if (parts && parts->is_consent()) return;
  const std::string_view metric = metric_of(record.payload);
  Rewriter profile(*this, metric, batch);
  Rewriter members(*this, metric, batch);
  const bool is_read =
      parts && json::sax_parse(parts->profile, &profile) &&
      (parts->is_profile() || json::sax_parse('{' + std::string(parts->members) + '}', &members));
  if (!is_read) {
    // Never stored with a field that nobody was asked about.
    return batch.reject({"event", "cannot be read again for before_store"});
  }
  if (!profile.has_identifier()) {
    batch.reject({"customer", "has no identifier left: before_store has removed all of them"});
  }
  std::string text = members.take();
  if (!text.empty()) text = text.substr(1, text.size() - 2);
  record.payload = with_parts(*parts, profile.take(), text);
}

}  // namespace klaviyo
