// The example server's way back to a cart: GET /cart/recover.
#include <klaviyo/recovery_key.hpp>

#include "support/served_checkout.hpp"

namespace checkout {
namespace {

using namespace std::chrono_literals;

const std::vector<std::string> kSecrets = {"a secret of the shop's own"};

// Without a key the tracker is inert; the links do not need it.
class CartRecovery : public ServedCheckout {
 protected:
  void SetUp() override { serve({}, kSecrets); }

  std::pair<int, nlohmann::json> get(const std::string& path) { return read(client->Get(path)); }

  static std::string token(std::chrono::minutes life,
                           const std::string& secret = kSecrets.front()) {
    const auto now =
        std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    return klaviyo::make_recovery_token("c-7", now + life, klaviyo::RecoveryKey(secret));
  }
};

TEST_F(CartRecovery, AGoodLinkLeadsToItsCart) {
  const auto [status, body] = get("/cart/recover?token=" + token(60min));
  EXPECT_EQ(status, 200);
  EXPECT_EQ(body, nlohmann::json({{"cart_id", "c-7"}}));
}

TEST_F(CartRecovery, ABadLinkSaysWhatIsWrong) {
  const auto expect = [this](const std::string& path, int status, const std::string& reason) {
    const auto [got, body] = get(path);
    EXPECT_EQ(got, status) << path;
    EXPECT_NE(body.value("error", "").find(reason), std::string::npos) << body;
  };
  const std::string good = token(60min);
  expect("/cart/recover?token=" + token(-1min), 410, "has expired");
  expect("/cart/recover?token=" + token(60min, "a secret of another shop's"), 400,
         "a key that is not in KLAVIYO_RECOVERY_SECRET");
  expect("/cart/recover?token=" + good.substr(0, 30), 400, "cut off");
  expect("/cart/recover", 400, "cut off");
  expect("/cart/recover?token=" + good.substr(0, 21) + "AAAA" + good.substr(25), 400, "changed");
  expect("/cart/recover?token=a%20b", 400, "no recovery token");
}

}  // namespace
}  // namespace checkout
