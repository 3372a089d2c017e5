// PageServer serves the page, and answers what it asks, on 127.0.0.1.
//
// Other users of the machine reach the loopback too, and so does every page in somebody's browser:
// what is read needs the token as what is written does. A request that names another host (DNS
// rebinding) or comes from another origin is refused before anything else is looked at.
//
// Place:     around PageStatus and PageRequests; started and stopped by the command.
// Threads:   start() and stop() from one thread.
// Lifetime:  stop() is called by the destructor.
// Failure:   start() returns nothing when the port cannot be had. An answer with an error has
//            {"error": "…"}.
#pragma once

#include <httplib.h>

#include <optional>
#include <string>
#include <thread>

#include "serve/account_source.hpp"
#include "serve/page_requests.hpp"
#include "serve/page_status.hpp"

namespace postbox::cli {

struct PageParts {
  AccountSource& accounts;
  PageStatus& status;
  PageRequests requests;
  std::string token;  // of `Authorization: Bearer …`
};

class PageServer {
 public:
  explicit PageServer(PageParts parts);
  ~PageServer();
  PageServer(const PageServer&) = delete;
  PageServer& operator=(const PageServer&) = delete;

  // Listens on `port`, or on a free one when it is zero. Returns the port.
  [[nodiscard]] std::optional<int> start(int port);

  void stop();

 private:
  void answer(const httplib::Request& request, httplib::Response& response);
  void answer_asset(const httplib::Request& request, httplib::Response& response);
  [[nodiscard]] Result<Json> ask(const httplib::Request& request);

  PageParts parts_;
  httplib::Server server_;
  std::thread thread_;
};

}  // namespace postbox::cli
