#include "connection.hpp"

#include <poll.h>

#include <algorithm>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <string>
#include <string_view>

#include "json_api.hpp"
#include "request_target.hpp"

namespace sim {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using Parser = http::request_parser<http::string_body>;

constexpr std::uint64_t kMaxBody = 64U << 20U;
constexpr std::uint32_t kMaxHead = 64U << 10U;
// What the Keep-Alive header promises.
constexpr std::chrono::seconds kKeepAliveTimeout{60};

// Boost's string_view is a type of its own, which differs between its versions.
template <class View>
std::string_view view_of(const View& text) {
  return {text.data(), text.size()};
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// The status for a request that cannot be read; 0 when the connection is what is broken.
int refusal_for(const error_code& error) {
  if (error == http::error::end_of_stream) return 0;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::header_limit) return 431;
  return error.category() == error_code(http::error::bad_method).category() ? 400 : 0;
}

Request to_request(http::request<http::string_body>&& received) {
  Request request;
  request.method = view_of(received.method_string());
  set_target(request, view_of(received.target()));
  for (const auto& field : received) {
    request.headers.emplace(lower_case(view_of(field.name_string())), view_of(field.value()));
  }
  request.body = std::move(received.body());
  return request;
}

http::response<http::string_body> to_message(const Response& response, unsigned version,
                                             bool keep_alive) {
  http::response<http::string_body> message;
  message.version(version);
  message.result(static_cast<unsigned>(response.status));
  for (const auto& [name, value] : response.headers) message.insert(name, value);
  if (!response.content_type.empty()) {
    message.set(http::field::content_type, response.content_type);
  }
  message.body() = response.body;
  if (response.delivery == Delivery::kTruncated && response.body.empty()) {
    message.body().assign(64, ' ');  // there must be something to cut
  }
  message.keep_alive(keep_alive);
  if (keep_alive) {
    message.set(http::field::keep_alive, "timeout=" + std::to_string(kKeepAliveTimeout.count()));
  }
  message.content_length(message.body().size());
  return message;
}

}  // namespace

std::optional<Request> Connection::read() {
  if (input_.size() == 0 && !wait_readable(kKeepAliveTimeout)) return std::nullopt;
  Parser parser;
  parser.body_limit(kMaxBody);
  parser.header_limit(kMaxHead);
  error_code error;
  http::read_header(*this, input_, parser, error);
  if (!error && boost::beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    asio::write(socket_, asio::buffer(std::string_view("HTTP/1.1 100 Continue\r\n\r\n")), error);
  }
  if (!error) http::read(*this, input_, parser, error);
  version_ = parser.get().version();
  head_only_ = parser.get().method() == http::verb::head;
  keep_alive_ = !error && parser.get().keep_alive();
  if (!error) return to_request(parser.release());
  if (const int status = refusal_for(error); status != 0) refuse(status);
  return std::nullopt;
}

bool Connection::answer(const Response& response) {
  error_code error;
  if (response.delivery == Delivery::kReset) {
    socket_.set_option(asio::socket_base::linger(true, 0), error);  // for who closes it
    return false;
  }
  auto message = to_message(response, version_, keep_alive_);
  http::response_serializer<http::string_body> serializer(message);
  if (response.delivery == Delivery::kTruncated) {
    http::write_header(socket_, serializer, error);
    const std::size_t half = message.body().size() / 2;
    if (!error) asio::write(socket_, asio::buffer(message.body(), half), error);
  } else if (head_only_) {
    http::write_header(socket_, serializer, error);
  } else {
    http::write(socket_, serializer, error);
  }
  if (error || !keep_alive_ || response.delivery != Delivery::kWhole) {
    socket_.shutdown(Socket::shutdown_send, error);
    return false;
  }
  return true;
}

void Connection::refuse(int status) {
  Problem problem = invalid("/data", "The request could not be read.");
  problem.status = status;
  keep_alive_ = false;
  answer(problem_response({problem}));
  drain();
}

// A close with input unread would be a reset, which takes the answer from its reader.
void Connection::drain() {
  input_.consume(input_.size());
  error_code error;
  while (!error) input_.consume(read_some(input_.prepare(16384), error));
}

bool Connection::wait_readable(std::chrono::milliseconds timeout) {
  using std::chrono::steady_clock;
  pollfd entry{socket_.native_handle(), POLLIN, 0};
  const auto deadline = steady_clock::now() + timeout;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    const int ready = ::poll(&entry, 1, static_cast<int>(std::max<long>(left.count(), 0)));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

}  // namespace sim
