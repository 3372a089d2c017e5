// klaviyo-sim answers any request, also with its own faults scripted by the input. The input is the
// method, the path and a query parameter on a line each, then the body.
#include "fuzz_input.hpp"
#include "simulator.hpp"

using namespace postbox::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::chrono::system_clock::time_point kNow{std::chrono::seconds(1'800'000'000)};
  sim::Simulator simulator(
      {.keys = {}, .limits = false, .now = [] { return kNow; }, .wait = [](auto) {}});
  std::string_view rest = text_of(data, size);
  sim::Request request;
  request.method = std::string(take_line(rest));
  request.path = std::string(take_line(rest));
  request.query.emplace("page[size]", std::string(take_line(rest)));
  request.headers = {{"authorization", "Klaviyo-API-Key pk_fuzz"},
                     {"revision", "2026-10-15"},
                     {"content-type", "application/vnd.api+json"}};
  request.body = std::string(rest);
  for (int time = 0; time < 2; ++time) {
    const int status = simulator.handle(request).status;
    require(status == 0 || (status >= 200 && status < 600));
  }
  (void)simulator.set_faults(request.body);
  return 0;
}
