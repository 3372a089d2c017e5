// A module that links Postbox and is loaded with dlopen(), such as a web server's. Its interface is
// plain C; guest_module.hpp describes it.
#include "guest_module.hpp"

#include <unistd.h>

#include <atomic>
#include <klaviyo/klaviyo.hpp>
#include <memory>
#include <optional>
#include <postbox/http_client.hpp>
#include <postbox/services.hpp>
#include <string>

namespace {

std::optional<postbox::Tracker> tracker;

// Hangs in poll() until the other end of `release` is closed; says at its end that it is gone.
class HangingClient final : public postbox::HttpClient {
 public:
  HangingClient(int release, int gone) : release_(release), gone_(gone) {}
  ~HangingClient() override {
    const char word = '!';
    (void)!::write(gone_, &word, 1);
  }
  postbox::Result<postbox::TransferId> start(postbox::HttpRequest) override { return ++last_; }
  std::vector<postbox::HttpCompletion> poll(std::chrono::nanoseconds) override {
    char word = 0;
    (void)!::read(release_, &word, 1);
    return {};
  }
  void wake() noexcept override {}
  void cancel_all() noexcept override {}

 private:
  const int release_;
  const int gone_;
  postbox::TransferId last_ = 0;
};

klaviyo::Config config_for(const GuestSettings& settings) {
  klaviyo::Config config;
  config.api_key = "pk_for_tests";
  config.api_url = settings.api_url;
  config.engine.outbox.url = settings.outbox;
  config.engine.log = nullptr;
  for (const postbox::Family& family : klaviyo::kFamilies) config.set(family, postbox::Flag::on());
  return config;
}

}  // namespace

bool guest_start(const GuestSettings* settings) {
  postbox::Services parts;
  if (settings->release >= 0) {
    parts.http = std::make_shared<HangingClient>(settings->release, settings->gone);
  }
  auto started = klaviyo::start(config_for(*settings), std::move(parts));
  if (started) tracker.emplace(*std::move(started));
  return started.has_value();
}

bool guest_buy(const char* order_id) {
  klaviyo::Order order;
  order.order_id = order_id;
  order.currency = "EUR";
  order.customer.email = "ines@goldenacre.example";
  auto& item = order.items.emplace_back();
  item.product_id = "P1";
  item.name = "Thé vert";
  item.quantity = 1;
  item.unit_price = {1250};
  const auto answer = tracker->track_durably(klaviyo::order_placed(order), std::chrono::minutes(1));
  return answer.status() == postbox::TrackStatus::kAccepted;
}

bool guest_flush() { return tracker->flush(std::chrono::minutes(1)); }

bool guest_stop(int milliseconds) {
  const bool in_time = tracker->stop(std::chrono::milliseconds(milliseconds)).in_time;
  tracker.reset();
  return in_time;
}
