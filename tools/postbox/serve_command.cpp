#include "serve_command.hpp"

#include <openssl/rand.h>
#include <CLI/CLI.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "account.hpp"
#include "duration_option.hpp"
#include "serve/page_server.hpp"

namespace postbox::cli {
namespace {

struct ServeArguments {
  AccountOptions account;
  std::optional<std::chrono::milliseconds> max_wait{std::chrono::minutes(15)};
  std::string metrics{};  // the address of the server's, if any
  int port = 0;
};

// 256 random bits, in hexadecimal digits.
Result<std::string> new_token() {
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return Error{ErrorCode::kInternal, "there are no random bytes for a token"};
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string token;
  for (const unsigned char byte : bytes) {
    token += kDigits[byte >> 4U];
    token += kDigits[byte & 0xFU];
  }
  return token;
}

Result<std::unique_ptr<MetricsReader>> reader_of(const ServeArguments& arguments) {
  if (arguments.metrics.empty()) return std::unique_ptr<MetricsReader>();
  return MetricsReader::open(arguments.metrics);
}

// Behind '#', which a browser keeps to itself, so that the token is in no log and no referrer.
void write_address(int port, const std::string& token, bool json, std::ostream& out) {
  const std::string url = "http://127.0.0.1:" + std::to_string(port) + "/#token=" + token;
  if (json) {
    out << Json{{"url", url}}.dump() << std::endl;
  } else {
    out << url << "\nWho has this address can do what the page can. Ctrl-C ends it." << std::endl;
  }
}

int run_serve(const ServeArguments& arguments, Console& console) {
  if (console.pause) (void)console.pause({});  // before there are threads, which signals would end
  AccountSource accounts(arguments.account);
  if (const auto account = accounts.get(); !account) return fail(console, account.error());
  auto reader = reader_of(arguments);
  if (!reader) return fail(console, reader.error());
  const auto token = new_token();
  if (!token) return fail(console, token.error());
  PageStatus status(*arguments.max_wait, *std::move(reader));
  PageServer server({.accounts = accounts,
                     .status = status,
                     .requests = {.reveal = arguments.account.reveal},
                     .token = *token});
  const auto port = server.start(arguments.port);
  if (!port) {
    return fail(console, {ErrorCode::kInvalidConfig,
                          "--port: " + std::to_string(arguments.port) +
                              " cannot be had on 127.0.0.1: another program may have it"});
  }
  write_address(*port, *token, arguments.account.json, console.out);
  while (console.pause && console.pause(std::chrono::hours(1))) {
  }
  return kDone;
}

}  // namespace

void add_serve(CLI::App& app, Run& run) {
  const auto arguments = std::make_shared<ServeArguments>();
  CLI::App* command = app.add_subcommand("serve", "Show it all on a page in the browser");
  command->footer(
      "The page is at 127.0.0.1 alone, until Ctrl-C. It shows what status, flags, dead, held and\n"
      "events do, replays and removes; the address that is printed has the token for it. From\n"
      "elsewhere: ssh -L 8090:127.0.0.1:8090 and --port 8090.\n"
      "Example:\n"
      "  postbox serve --metrics http://127.0.0.1:8080/metrics");
  add_account_options(*command, arguments->account);
  add_reveal(*command, arguments->account);
  command->add_option("--port", arguments->port, "The port; any that is free unless set")
      ->check(CLI::Range(0, 65'535))
      ->default_str("");
  add_metrics_option(*command, arguments->metrics);
  add_duration(*command, "--max-wait", arguments->max_wait,
               "How long an event may wait before that is a problem; 15m unless set");
  command->callback([arguments, &run] {
    run = [arguments](Console& console) { return run_serve(*arguments, console); };
  });
}

}  // namespace postbox::cli
