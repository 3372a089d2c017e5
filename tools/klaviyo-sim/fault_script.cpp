#include "fault_script.hpp"

#include <functional>
#include <map>

namespace sim {
namespace {

using Reader = std::function<bool(const Json&, Fault&)>;

bool read_integer(const Json& value, std::int64_t least, std::int64_t most, std::int64_t& target) {
  if (!value.is_number_integer()) return false;
  target = value.get<std::int64_t>();
  return target >= least && target <= most;
}

bool read_flag(const Json& value, bool& target) {
  if (!value.is_boolean()) return false;
  target = value.get<bool>();
  return true;
}

bool read_match(const Json& value, Fault& fault) {
  if (!value.is_object()) return false;
  fault.method.clear();
  for (const auto& [name, text] : value.items()) {
    if (!text.is_string()) return false;
    if (name == "method") {
      fault.method = text.get<std::string>();
    } else if (name == "path") {
      fault.path = text.get<std::string>();
    } else {
      return false;
    }
  }
  return true;
}

bool read_status(const Json& value, Fault& fault) {
  std::int64_t status = 0;
  if (!read_integer(value, 200, 599, status)) return false;
  fault.status = static_cast<int>(status);
  return true;
}

bool is_header_text(const std::string& text) {
  return text.find_first_of("\r\n") == std::string::npos;
}

bool read_headers(const Json& value, Fault& fault) {
  if (!value.is_object()) return false;
  for (const auto& [name, text] : value.items()) {
    if (name.empty() || !text.is_string()) return false;
    if (!is_header_text(name) || !is_header_text(text.get<std::string>())) return false;
    fault.headers.emplace_back(name, text.get<std::string>());
  }
  return true;
}

bool read_retry_after(const Json& value, Fault& fault) {
  if (value.is_null()) return true;
  if (!value.is_string() && !value.is_number()) return false;
  fault.retry_after = value.is_string() ? value.get<std::string>() : to_text(value);
  return is_header_text(*fault.retry_after);
}

bool read_delay(const Json& value, Fault& fault) {
  constexpr std::int64_t kOneHourMs = 3'600'000;
  std::int64_t delay = 0;
  if (!read_integer(value, 0, kOneHourMs, delay)) return false;
  fault.delay = std::chrono::milliseconds(delay);
  return true;
}

bool read_probability(const Json& value, Fault& fault) {
  if (!value.is_number()) return false;
  fault.probability = value.get<double>();
  return fault.probability >= 0.0 && fault.probability <= 1.0;
}

bool read_body(const Json& value, Fault& fault) {
  if (!value.is_string()) return false;
  fault.body = value.get<std::string>();
  return true;
}

bool read_times(const Json& value, Fault& fault) {
  return read_integer(value, -1, 1'000'000'000, fault.times);
}

const std::map<std::string, Reader>& readers() {
  static const std::map<std::string, Reader> table = {
      {"match", read_match},
      {"times", read_times},
      {"probability", read_probability},
      {"status", read_status},
      {"headers", read_headers},
      {"body", read_body},
      {"retry_after", read_retry_after},
      {"delay_ms", read_delay},
      {"html", [](const Json& value, Fault& fault) { return read_flag(value, fault.html); }},
      {"reset", [](const Json& value, Fault& fault) { return read_flag(value, fault.reset); }},
      {"truncate",
       [](const Json& value, Fault& fault) { return read_flag(value, fault.truncate); }},
      {"after", [](const Json& value, Fault& fault) { return read_flag(value, fault.after); }}};
  return table;
}

// The reason why the fault is bad, or "".
std::string read_fault(const Json& script, Fault& fault) {
  if (!script.is_object()) return " must be an object";
  fault.script = script;
  fault.method = "POST";
  for (const auto& [name, value] : script.items()) {
    const auto reader = readers().find(name);
    if (reader == readers().end()) return "/" + name + " is not a known member";
    if (!reader->second(value, fault)) return "/" + name + " has a bad value";
  }
  if ((fault.body || fault.html || fault.retry_after) && !fault.status) {
    return " has an answer (body, html or retry_after) but no status";
  }
  const bool has_effect = fault.status || !fault.headers.empty() || fault.delay.count() > 0 ||
                          fault.reset || fault.truncate;
  return has_effect ? "" : " has no effect";
}

}  // namespace

FaultScript read_fault_script(const Json& script) {
  FaultScript result;
  const Json* list = &script;
  if (script.is_object()) {
    for (const auto& [name, value] : script.items()) {
      if (name == "faults") {
        list = &value;
      } else if (name == "seed" && value.is_number_unsigned()) {
        result.seed = value.get<std::uint64_t>();
      } else {
        result.error = "/" + name + " is not a known member or has a bad value";
        return result;
      }
    }
  }
  if (!list->is_array()) {
    result.error = "a script is a list of faults, or an object with the list in \"faults\"";
    return result;
  }
  for (std::size_t i = 0; i < list->size() && result.error.empty(); ++i) {
    const std::string error = read_fault((*list)[i], result.faults.emplace_back());
    if (!error.empty()) result.error = "/faults/" + std::to_string(i) + error;
  }
  return result;
}

}  // namespace sim
