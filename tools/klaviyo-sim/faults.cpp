#include "faults.hpp"

#include <algorithm>

#include "fault_script.hpp"

namespace sim {
namespace {

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

bool matches(const Fault& fault, const std::string& method, const std::string& path) {
  return (fault.method.empty() || fault.method == method) && starts_with(path, fault.path);
}

Problem problem_for(int status) {
  Problem problem;
  problem.status = status;
  problem.code = "error";
  problem.title = "Scripted fault.";
  problem.detail = "This answer was asked for by the fault script.";
  if (status == 401) problem.code = "not_authenticated";
  if (status == 403) problem.code = "permission_denied";
  if (status == 404) problem.code = "not_found";
  if (status == 400) problem.code = "invalid";
  if (status == 429) {
    problem.code = "throttled";
    problem.title = "Request was throttled.";
    problem.detail = "Request was throttled. Expected available in 1 second.";
  }
  return problem;
}

Response html_page(int status) {
  Response response;
  response.status = status;
  response.content_type = "text/html; charset=UTF-8";
  const std::string code = std::to_string(status);
  response.body = "<!DOCTYPE html>\n<html><head><title>" + code + "</title></head><body><h1>" +
                  code + "</h1><p>cloudflare</p></body></html>\n";
  return response;
}

Response scripted_answer(const Fault& fault) {
  if (fault.html && !fault.body) return html_page(*fault.status);
  Response response;
  if (*fault.status >= 300 && !fault.body)
    response = problem_response({problem_for(*fault.status)});
  response.status = *fault.status;
  if (fault.body) {
    response.body = *fault.body;
    response.content_type = fault.html ? "text/html; charset=UTF-8" : kJsonApiType;
  }
  return response;
}

}  // namespace

std::optional<std::string> FaultQueue::load(const Json& script) {
  FaultScript read = read_fault_script(script);
  if (!read.error.empty()) return read.error;
  faults_ = std::move(read.faults);
  random_.seed(read.seed);
  return std::nullopt;
}

std::optional<Fault> FaultQueue::take(const std::string& method, const std::string& path) {
  for (Fault& fault : faults_) {
    if (fault.times == 0 || !matches(fault, method, path) || !draw(fault.probability)) continue;
    if (fault.times > 0) --fault.times;
    Fault taken = fault;
    std::erase_if(faults_, [](const Fault& other) { return other.times == 0; });
    return taken;
  }
  return std::nullopt;
}

Json FaultQueue::left() const {
  Json list = Json::array();
  for (const Fault& fault : faults_) {
    if (fault.times == 0) continue;
    list.push_back(fault.script);
    list.back()["times"] = fault.times;
  }
  return {{"faults", std::move(list)}};
}

// Not std::uniform_real_distribution: its numbers differ between standard libraries.
bool FaultQueue::draw(double probability) {
  if (probability >= 1.0) return true;
  constexpr double kScale = 1.0 / 9007199254740992.0;  // 2^-53
  return static_cast<double>(random_() >> 11U) * kScale < probability;
}

Response apply_fault(const Fault& fault, Response handled) {
  Response response = fault.status ? scripted_answer(fault) : std::move(handled);
  for (const auto& [name, value] : fault.headers) {
    if (name == "Content-Type" || name == "content-type") {
      response.content_type = value;
    } else {
      response.headers.emplace_back(name, value);
    }
  }
  if (fault.retry_after) response.headers.emplace_back("Retry-After", *fault.retry_after);
  if (fault.truncate) response.delivery = Delivery::kTruncated;
  if (fault.reset) response.delivery = Delivery::kReset;
  return response;
}

}  // namespace sim
