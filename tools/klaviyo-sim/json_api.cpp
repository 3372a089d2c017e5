#include "json_api.hpp"

#include <atomic>
#include <cstdint>
#include <limits>

#include "ids.hpp"

namespace sim {
namespace {

constexpr int kMaxParsedDepth = 200;

class BodyParser : public nlohmann::detail::json_sax_dom_parser<Json> {
  using Base = nlohmann::detail::json_sax_dom_parser<Json>;

 public:
  explicit BodyParser(Json& document) : Base(document, false) {}

  bool number_float(double value, const std::string& literal) {
    if (literal.find_first_of(".eE") == std::string::npos) {
      return Base::number_unsigned(std::numeric_limits<std::uint64_t>::max());
    }
    return Base::number_float(value, literal);
  }

  bool start_object(std::size_t size) { return deeper() && Base::start_object(size); }
  bool start_array(std::size_t size) { return deeper() && Base::start_array(size); }

  bool end_object() {
    --depth_;
    return Base::end_object();
  }

  bool end_array() {
    --depth_;
    return Base::end_array();
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& problem) {
    error_ = "JSON parse error at byte " + std::to_string(position) + ": " + problem.what();
    return false;
  }

  const std::string& error() const { return error_; }

 private:
  bool deeper() {
    if (++depth_ <= kMaxParsedDepth) return true;
    error_ = "JSON parse error: nested too deeply";
    return false;
  }

  int depth_ = 0;
  std::string error_;
};

Json problem_document(const Problem& problem) {
  static std::atomic<std::uint64_t> serial{0};
  Json source = Json::object();
  if (problem.parameter.empty()) {
    source["pointer"] = problem.pointer;
  } else {
    source["parameter"] = problem.parameter;
  }
  return {{"id", make_uuid(++serial)}, {"status", problem.status}, {"code", problem.code},
          {"title", problem.title},    {"detail", problem.detail}, {"source", std::move(source)},
          {"links", Json::object()},   {"meta", problem.meta}};
}

}  // namespace

Problem invalid(std::string pointer, std::string detail) {
  Problem problem;
  problem.pointer = std::move(pointer);
  problem.detail = std::move(detail);
  return problem;
}

Problem invalid_parameter(std::string parameter, std::string detail) {
  Problem problem;
  problem.parameter = std::move(parameter);
  problem.detail = std::move(detail);
  return problem;
}

Response problem_response(const std::vector<Problem>& problems) {
  Json errors = Json::array();
  for (const Problem& problem : problems) {
    errors.push_back(problem_document(problem));
  }
  return json_response(problems.front().status, {{"errors", std::move(errors)}});
}

Response json_response(int status, const Json& document) {
  Response response;
  response.status = status;
  response.content_type = kJsonApiType;
  response.body = to_text(document);
  return response;
}

std::string to_text(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string join_pointer(const std::string& pointer, std::string_view member) {
  std::string joined = pointer + "/";
  for (const char c : member) {
    if (c == '~') {
      joined += "~0";
    } else if (c == '/') {
      joined += "~1";
    } else {
      joined += c;
    }
  }
  return joined;
}

ParsedJson parse_json(std::string_view text) {
  ParsedJson parsed;
  Json root;
  BodyParser parser(root);
  if (Json::sax_parse(text, &parser)) {
    parsed.value = std::move(root);
  } else {
    parsed.error = parser.error().empty() ? "JSON parse error" : parser.error();
  }
  return parsed;
}

}  // namespace sim
