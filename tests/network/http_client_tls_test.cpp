// CurlHttpClient and TLS: whom it trusts, and what it tells the others.
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <filesystem>
#include <future>
#include <postbox/http_client.hpp>
#include <string>

#include "support/http_exchange.hpp"
#include "support/loopback_server.hpp"
#include "support/tls_layer.hpp"

namespace postbox {
namespace {

using namespace test;

TEST(CurlHttpClientTls, SpeaksToAServerThatTheCaFileVouchesFor) {
  const TlsIdentity identity;
  Inbox inbox;
  LoopbackServer server(over_tls(identity, inbox.answering(http_answer("safe"))));
  auto client = make_client({.ca_file = identity.ca_file()});
  EXPECT_EQ(response_to(*client, post(server.tls_url("/events"), "first")).body, "safe");
  EXPECT_EQ(response_to(*client, post(server.tls_url("/events"), "second")).body, "safe");
  ASSERT_EQ(inbox.requests().size(), 2U);
  EXPECT_EQ(inbox.requests()[1].body, "second");
  EXPECT_EQ(server.connections(), 1);
}

// Counts what reaches the server's side of a connection that should carry no request.
struct Eavesdropper {
  std::promise<bool> heard;

  LoopbackServer::Script behind(const TlsIdentity& identity) {
    return [this, &identity](Connection& connection) {
      bool any = false;
      over_tls(identity, [&any](Connection& open) { any = open.read_some(); })(connection);
      heard.set_value(any);
    };
  }
};

TEST(CurlHttpClientTls, SendsNothingToAServerItCannotVerify) {
  const TlsIdentity identity;
  Eavesdropper server_side;
  LoopbackServer server(server_side.behind(identity));
  auto client = make_client();
  const auto failure = failure_of(*client, post(server.tls_url("/?secret")));
  EXPECT_EQ(failure.fault, TransportFault::kTls) << failure.detail;
  EXPECT_FALSE(server_side.heard.get_future().get());
}

TEST(CurlHttpClientTls, SendsNothingToAServerWithTheNameOfAnother) {
  const TlsIdentity identity("DNS:other.test,IP:127.0.0.2");
  Eavesdropper server_side;
  LoopbackServer server(server_side.behind(identity));
  auto client = make_client({.ca_file = identity.ca_file()});
  const auto failure = failure_of(*client, post(server.tls_url()));
  EXPECT_EQ(failure.fault, TransportFault::kTls) << failure.detail;
  EXPECT_FALSE(server_side.heard.get_future().get());
}

TEST(CurlHttpClientTls, TheCaFileTakesThePlaceOfEveryOtherTrust) {
  const TlsIdentity trusted;
  const TlsIdentity stranger;
  Eavesdropper server_side;
  LoopbackServer server(server_side.behind(stranger));
  auto client = make_client({.ca_file = trusted.ca_file()});
  EXPECT_EQ(failure_of(*client, post(server.tls_url())).fault, TransportFault::kTls);
  EXPECT_FALSE(server_side.heard.get_future().get());
}

TEST(CurlHttpClientTls, ParsesTheCaFileOnceForManyConnections) {
  const TlsIdentity identity;
  LoopbackServer server(over_tls(identity, once(http_answer("safe"))));
  auto client = make_client({.ca_file = identity.ca_file()});
  EXPECT_EQ(response_to(*client, post(server.tls_url())).body, "safe");
  std::filesystem::remove(identity.ca_file());
  EXPECT_EQ(response_to(*client, post(server.tls_url())).body, "safe");
  EXPECT_EQ(server.connections(), 2);
}

TEST(CurlHttpClientTls, OffersHttp2OnlyWhenAsked) {
  TlsIdentity identity;
  identity.require_protocol("http/1.1");
  LoopbackServer server(over_tls(identity, always(http_answer("one"))));
  for (const bool http2 : {false, true}) {
    auto client = make_client({.ca_file = identity.ca_file(), .http2 = http2});
    EXPECT_EQ(response_to(*client, post(server.tls_url())).body, "one");
  }
  identity.require_protocol("h2");
  auto client = make_client({.ca_file = identity.ca_file()});
  EXPECT_EQ(failure_of(*client, post(server.tls_url())).fault, TransportFault::kTls);
}

TEST(CurlHttpClientTls, ACaFileWithoutACertificateIsRefusedAtOnce) {
  ERR_clear_error();
  for (const char* file : {"/nonexistent/ca.pem", "/dev/null", "/etc/hostname"}) {
    const auto client = curl_http_client({.ca_file = file});
    ASSERT_FALSE(client) << file;
    EXPECT_EQ(client.error().code, ErrorCode::kInvalidConfig);
    EXPECT_NE(client.error().message.find(std::string("POSTBOX_CA_FILE: '") + file),
              std::string::npos)
        << client.error().message;
  }
  EXPECT_EQ(ERR_peek_error(), 0U) << "the host would take it for an error of its own";
}

TEST(CurlHttpClientTls, ReportsAServerThatDoesNotSpeakTls) {
  LoopbackServer server([](Connection& connection) {
    connection.read_some();
    connection.send(http_answer("plain"));
  });
  auto client = make_client();
  EXPECT_EQ(failure_of(*client, post(server.tls_url())).fault, TransportFault::kTls);
}

}  // namespace
}  // namespace postbox
