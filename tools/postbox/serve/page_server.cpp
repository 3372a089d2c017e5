#include "page_server.hpp"

#include <openssl/crypto.h>
#include <sys/socket.h>

#include <algorithm>
#include <string_view>

#include "serve/assets.hpp"

namespace postbox::cli {
namespace {

constexpr std::size_t kThreads = 16;
constexpr std::size_t kLargestBody = 64U << 10U;

// Everything that the page needs comes from here, and nothing in it is a program but its files.
httplib::Headers headers() {
  return {{"Content-Security-Policy",
           "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
           "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
           "require-trusted-types-for 'script'; trusted-types 'none'"},
          {"X-Content-Type-Options", "nosniff"},
          {"X-Frame-Options", "DENY"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"},
          {"Cache-Control", "no-store"}};
}

using Ask = Result<Json> (PageRequests::*)(Account&, const Json&) const;
struct Route {
  std::string_view path;
  Ask ask;
};
constexpr Route kRoutes[] = {
    {"/api/list", &PageRequests::list},   {"/api/show", &PageRequests::show},
    {"/api/count", &PageRequests::count}, {"/api/replay", &PageRequests::replay},
    {"/api/purge", &PageRequests::purge}, {"/api/order", &PageRequests::order}};
constexpr std::string_view kStatusPath = "/api/status";

const Asset* asset_of(const std::string& path) {
  const auto all = assets();
  const auto found = std::ranges::find(all, path, &Asset::path);
  return found == all.end() ? nullptr : &*found;
}

const Route* route_of(const std::string& path) {
  const auto* found = std::ranges::find(kRoutes, path, &Route::path);
  return found == std::end(kRoutes) ? nullptr : found;
}

// The only value of the header; nothing when there is none, or more than one.
std::optional<std::string> only(const httplib::Request& request, const char* name) {
  if (request.get_header_value_count(name) != 1) return std::nullopt;
  return request.get_header_value(name);
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// A browser that was led here by another name says that name. The port is the browser's, which
// differs where somebody comes through a tunnel.
bool is_loopback(const std::string& host) {
  for (const std::string_view name : {"127.0.0.1", "localhost"}) {
    if (!host.starts_with(name)) continue;
    const std::string_view port = std::string_view(host).substr(name.size());
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (port.empty()) return true;
    if (port.size() > 1 && port[0] == ':' && std::ranges::all_of(port.substr(1), is_digit)) {
      return true;
    }
  }
  return false;
}

// The reason why the request is foreign; null when it is not.
const char* foreign(const httplib::Request& request) {
  const auto host = only(request, "Host");
  if (!host || !is_loopback(lower(*host))) return "this page is at 127.0.0.1 alone";
  if (!request.has_header("Origin")) return nullptr;
  const auto origin = only(request, "Origin");
  const bool is_own = origin && lower(*origin) == "http://" + lower(*host);
  return is_own ? nullptr : "another origin may not ask";
}

bool is_allowed(const httplib::Request& request, const std::string& token) {
  const auto given = only(request, "Authorization");
  const std::string expected = "Bearer " + token;
  return given && given->size() == expected.size() &&
         CRYPTO_memcmp(given->data(), expected.data(), expected.size()) == 0;
}

void write(httplib::Response& response, int status, const Json& json) {
  response.status = status;
  response.set_content(json.dump(-1, ' ', false, Json::error_handler_t::replace),
                       "application/json");
}

void refuse(httplib::Response& response, int status, const std::string& why) {
  write(response, status, {{"error", why}});
}

void refuse_method(httplib::Response& response, const char* allowed) {
  response.set_header("Allow", allowed);
  refuse(response, 405, std::string("the method is ") + allowed);
}

}  // namespace

PageServer::PageServer(PageParts parts) : parts_(std::move(parts)) {
  server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  // One request a connection: none is idle when the server ends, and none begins with the rest of
  // another's body.
  server_.set_keep_alive_max_count(1);
  server_.set_read_timeout(2);
  server_.set_tcp_nodelay(true);
  server_.set_payload_max_length(kLargestBody);
  server_.set_default_headers(headers());
  // Without SO_REUSEPORT, with which somebody else's server on the port would go unnoticed.
  server_.set_socket_options([](auto socket) {
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  });
  server_.set_exception_handler(
      [](const httplib::Request&, httplib::Response& response, const auto&) {
        refuse(response, 500, "the request could not be carried out");
      });
  const auto all = [this](const httplib::Request& request, httplib::Response& response) {
    answer(request, response);
  };
  server_.Get(".*", all).Post(".*", all).Put(".*", all).Patch(".*", all);
  server_.Delete(".*", all).Options(".*", all);
}

PageServer::~PageServer() { stop(); }

std::optional<int> PageServer::start(int port) {
  const char* host = "127.0.0.1";
  const int bound = port == 0                          ? server_.bind_to_any_port(host)
                    : server_.bind_to_port(host, port) ? port
                                                       : -1;
  if (bound <= 0) return std::nullopt;
  thread_ = std::thread([this] { server_.listen_after_bind(); });
  // stop() has no effect before the loop runs.
  while (!server_.is_running()) std::this_thread::yield();
  return bound;
}

void PageServer::stop() {
  server_.stop();
  if (thread_.joinable()) thread_.join();
}

void PageServer::answer(const httplib::Request& request, httplib::Response& response) {
  if (const char* why = foreign(request)) return refuse(response, 403, why);
  const bool is_status = request.path == kStatusPath;
  const bool is_route = route_of(request.path) != nullptr;
  if (!is_status && !is_route) return answer_asset(request, response);
  const char* method = is_status ? "GET" : "POST";
  if (request.method != method) return refuse_method(response, method);
  if (!is_allowed(request, parts_.token)) {
    response.set_header("WWW-Authenticate", "Bearer");
    return refuse(response, 401,
                  "the token is missing or wrong: it is in the address that "
                  "`postbox serve` has printed");
  }
  const auto answered = ask(request);
  if (answered) return write(response, 200, *answered);
  const bool is_callers = answered.error().code == ErrorCode::kInvalidArgument;
  refuse(response, is_callers ? 400 : 503, answered.error().message);
}

void PageServer::answer_asset(const httplib::Request& request, httplib::Response& response) {
  const Asset* asset = asset_of(request.path);
  if (asset == nullptr) return refuse(response, 404, "there is no such page");
  if (request.method != "GET") return refuse_method(response, "GET");
  response.set_content(std::string(asset->bytes), std::string(asset->type));
}

Result<Json> PageServer::ask(const httplib::Request& request) {
  const auto account = parts_.accounts.get();
  if (!account) return account.error();
  if (request.path == kStatusPath) return parts_.status.look(**account);
  const Json asked = Json::parse(request.body, nullptr, false);
  if (!asked.is_object()) {
    return Error{ErrorCode::kInvalidArgument, "the body: expected a JSON object"};
  }
  return (parts_.requests.*route_of(request.path)->ask)(**account, asked);
}

}  // namespace postbox::cli
