// The guard of the page of `postbox serve`: who may ask, and the headers of every answer.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve_page.hpp"

namespace postbox::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kFiles[] = {"/",         "/page.css", "/page.js",   "/api.js",  "/dom.js",
                                  "/order.js", "/plots.js", "/events.js", "/icon.svg"};
constexpr const char* kAsked[] = {"list", "show", "count", "replay", "purge", "order"};

class ServeGuard : public ServePage {
 protected:
  void SetUp() override {
    start();
    refuse();
    buy("1001");
    work();
    serve();
  }
  // The answer to these bytes, until the server closes the connection.
  [[nodiscard]] std::string raw(const std::string& bytes) const {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    (void)send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    std::string answer;
    char part[4'096];
    for (ssize_t n = 0; (n = recv(socket, part, sizeof(part), 0)) > 0;) {
      answer.append(part, static_cast<std::size_t>(n));
    }
    close(socket);
    return answer;
  }
  // Two letters are dead: nobody has replayed or removed one.
  void TearDown() override {
    const auto stats = run_json({"dead", "list"});
    EXPECT_EQ(stats["events"].size(), 2U);
  }
};

TEST_F(ServeGuard, TheFilesOfThePageHaveNoDataAndNeedNoToken) {
  for (const char* file : kFiles) {
    const auto answer = client().Get(file);
    ASSERT_TRUE(answer) << file;
    EXPECT_EQ(answer->status, 200) << file;
    EXPECT_GT(answer->body.size(), 100U) << file;
    EXPECT_THAT(answer->body, Not(HasSubstr(kToken)));
  }
  EXPECT_EQ(client().Get("/")->get_header_value("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(client().Get("/page.js")->get_header_value("Content-Type"),
            "text/javascript; charset=utf-8");
}

TEST_F(ServeGuard, NoFileHasAnInlineScriptOrAnotherHost) {
  for (const char* file : kFiles) {
    const std::string body = client().Get(file)->body;
    for (const char* bad : {"<script>", " onclick=", " style=", "innerHTML", "javascript:", "eval(",
                            "https://", "//cdn"}) {
      EXPECT_THAT(body, Not(HasSubstr(bad))) << file;
    }
  }
}

TEST_F(ServeGuard, EveryAnswerIsOfThisPageAloneAndIsKeptNowhere) {
  auto client = this->client();
  const httplib::Result answers[] = {
      client.Get("/"),
      client.Get("/nothing"),
      client.Get("/api/status"),
      client.Get("/api/status", allowed()),
      client.Get("/api/status", {{"Host", "evil.example"}}),
      client.Put("/api/purge", "{}", "application/json"),
      client.Post("/api/list", allowed(), "{", "application/json"),
      client.Post("/api/list", allowed(), std::string(100'000, 'x'), "application/json")};
  for (const auto& answer : answers) {
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->get_header_value("Cache-Control"), "no-store") << answer->status;
    EXPECT_EQ(answer->get_header_value("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(answer->get_header_value("Referrer-Policy"), "no-referrer");
    EXPECT_THAT(answer->get_header_value("Content-Security-Policy"),
                AllOf(HasSubstr("default-src 'none'"), HasSubstr("script-src 'self'"),
                      HasSubstr("frame-ancestors 'none'"), Not(HasSubstr("unsafe"))));
    EXPECT_FALSE(answer->has_header("Access-Control-Allow-Origin"));
    EXPECT_FALSE(answer->has_header("EXCEPTION_WHAT"));
  }
}

TEST_F(ServeGuard, WithoutTheTokenNothingIsSaidOrDone) {
  const std::string token = kToken;
  const std::optional<std::string> wrong[] = {std::nullopt,
                                              "",
                                              "Bearer",
                                              "Bearer ",
                                              token,
                                              "Basic " + token,
                                              "Bearer " + token + "0",
                                              "Bearer " + token.substr(1),
                                              "Bearer " + token.substr(0, 63) + "0",
                                              "Bearer " + std::string(64, '0')};
  for (const auto& authorization : wrong) {
    httplib::Headers headers;
    if (authorization) headers.emplace("Authorization", *authorization);
    EXPECT_EQ(read(client().Get("/api/status", headers), 401).size(), 1U);
    for (const char* what : kAsked) {
      const auto answer =
          read(client().Post(std::string("/api/") + what, headers,
                             R"({"kind":"dead","id":3,"order":"1001"})", "application/json"),
               401);
      EXPECT_EQ(answer.size(), 1U) << what;
      EXPECT_THAT(answer["error"], HasSubstr("token")) << what;
    }
  }
}

TEST_F(ServeGuard, TheTokenIsTakenFromItsHeaderAlone) {
  const std::string query = std::string("?token=") + kToken;
  EXPECT_EQ(client().Get("/api/status" + query)->status, 401);
  EXPECT_EQ(client().Get("/api/status", {{"Cookie", std::string("token=") + kToken}})->status, 401);
  httplib::Headers twice = allowed();
  twice.emplace("Authorization", "Bearer 1");
  EXPECT_EQ(client().Get("/api/status", twice)->status, 401);
}

TEST_F(ServeGuard, AnotherHostIsRefusedWhateverElseIsRight) {
  const std::string port = ":" + std::to_string(port_);
  const std::string bad_hosts[] = {"evil.example" + port,
                                   std::string("evil.example"),
                                   "127.0.0.1.evil.example" + port,
                                   "localhost.evil.example" + port,
                                   "127.0.0.1:80@evil.example",
                                   "127.0.0.2" + port,
                                   "0.0.0.0" + port,
                                   "[::1]" + port,
                                   "127.0.0.1:",
                                   "127.0.0.1:80x",
                                   "evil.example#127.0.0.1"};
  for (const std::string& bad : bad_hosts) {
    httplib::Headers headers = allowed();
    headers.emplace("Host", bad);
    EXPECT_EQ(client().Get("/", headers)->status, 403) << bad;
    EXPECT_EQ(client().Get("/api/status", headers)->status, 403) << bad;
    EXPECT_EQ(
        client().Post("/api/purge", headers, R"({"kind":"dead"})", "application/json")->status, 403)
        << bad;
  }
  httplib::Headers two = allowed();
  two.emplace("Host", host());
  two.emplace("Host", "evil.example");
  EXPECT_EQ(client().Get("/api/status", two)->status, 403);
}

TEST_F(ServeGuard, ThisHostHasTwoNamesAndAnyPortOfATunnel) {
  for (const std::string& good : {host(), std::string("localhost:9000"), std::string("127.0.0.1"),
                                  std::string("LOCALHOST:1")}) {
    httplib::Headers headers = allowed();
    headers.emplace("Host", good);
    EXPECT_EQ(client().Get("/api/status", headers)->status, 200) << good;
  }
}

TEST_F(ServeGuard, AnotherOriginIsRefusedWhateverElseIsRight) {
  for (const std::string& bad :
       {std::string("https://evil.example"), std::string("null"), "https://" + host(),
        std::string("http://127.0.0.1"), "http://localhost:" + std::to_string(port_),
        "http://" + host() + ".evil.example", "http://" + host() + "/"}) {
    httplib::Headers headers = allowed();
    headers.emplace("Origin", bad);
    EXPECT_EQ(client().Get("/api/status", headers)->status, 403) << bad;
    EXPECT_EQ(
        client().Post("/api/purge", headers, R"({"kind":"dead"})", "application/json")->status, 403)
        << bad;
  }
  httplib::Headers own = allowed();
  own.emplace("Origin", "http://" + host());
  EXPECT_EQ(client().Get("/api/status", own)->status, 200);
}

TEST_F(ServeGuard, OtherMethodsAreRefused) {
  auto client = this->client();
  const std::string body = R"({"kind":"dead"})";
  constexpr const char* kJson = "application/json";
  for (const char* what : kAsked) {
    const std::string path = std::string("/api/") + what;
    EXPECT_EQ(client.Get(path, allowed())->status, 405) << path;
    EXPECT_EQ(client.Put(path, allowed(), body, kJson)->status, 405) << path;
    EXPECT_EQ(client.Patch(path, allowed(), body, kJson)->status, 405) << path;
    EXPECT_EQ(client.Delete(path, allowed(), body, kJson)->status, 405) << path;
    EXPECT_EQ(client.Options(path, allowed())->status, 405) << path;
    EXPECT_EQ(client.Options(path, allowed())->get_header_value("Allow"), "POST");
  }
  EXPECT_EQ(client.Post("/api/status", allowed(), body, kJson)->status, 405);
  EXPECT_EQ(client.Head("/api/status", allowed())->status, 405);
  EXPECT_EQ(client.Post("/", allowed(), body, kJson)->status, 405);
}

TEST_F(ServeGuard, WhatIsNoPageIsNotFound) {
  for (const char* path : {"/nothing", "/../shop.env", "/%2e%2e/shop.env", "/api", "/api/",
                           "/api/purge/", "//api/purge", "/index.html", "/page.css/.."}) {
    EXPECT_EQ(client().Get(path, allowed())->status, 404) << path;
  }
}

// Whatever bytes come, none of them is let in: each is answered with a refusal, or not at all.
TEST_F(ServeGuard, WhatIsHardlyHttpIsRefused) {
  const std::string token = std::string("Authorization: Bearer ") + kToken + "\r\n";
  const std::string own = "Host: " + host() + "\r\n";
  const std::string body = "Content-Length: 15\r\n\r\n{\"kind\":\"dead\"}";
  const std::string purge = "POST /api/purge HTTP/1.1\r\n";
  const std::string bad[] = {
      "GET /api/status HTTP/1.0\r\n" + token + "\r\n",
      "POST /api/purge HTTP/1.0\r\n" + token + body,
      "POST http://evil.example/api/purge HTTP/1.1\r\nHost: evil.example\r\n" + token + body,
      purge + own + own + token + body, purge + "Host: evil.example\r\n" + own + token + body,
      purge + own + token + token + body,
      purge + own + "Origin: http://evil.example\r\n" + token + body,
      purge + own + "Origin: http://" + host() + "\r\nOrigin: null\r\n" + token + body,
      purge + "Host : " + host() + "\r\n" + token + body,
      "TRACE /api/purge HTTP/1.1\r\n" + own + token + body,
      "PURGE /api/purge HTTP/1.1\r\n" + own + token + body,
      "post /api/purge HTTP/1.1\r\n" + own + token + body, "POST /api/purge\r\n\r\n",
      std::string("\0\x01\xFF\r\n\r\n", 7),
      "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n" + own + "\r\n",
      // The rest of a body is no request of its own.
      "GET / HTTP/1.1\r\n" + own + "Content-Length: 300\r\n\r\n" + purge + own + token + body};
  for (const std::string& request : bad) {
    const std::string answer = raw(request);
    if (request.starts_with("GET / ")) {
      EXPECT_THAT(answer, Not(HasSubstr("\"done\""))) << request;
    } else {
      EXPECT_THAT(answer, Not(HasSubstr(" 200 "))) << request;
    }
  }
  EXPECT_THAT(raw("GET /api/status HTTP/1.1\r\n" + own + token + "\r\n"), HasSubstr(" 200 "));
}

TEST_F(ServeGuard, ABodyThatIsTooLargeIsNotRead) {
  const auto answer =
      client().Post("/api/list", allowed(), std::string(100'000, ' ') + "{}", "application/json");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 413);
}

}  // namespace
}  // namespace postbox::testing
