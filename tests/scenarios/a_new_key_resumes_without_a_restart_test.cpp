#include <fstream>

#include "support/shop.hpp"

namespace postbox::tests {
namespace {

class KeyTrouble : public Shop {
 protected:
  void SetUp() override {
    klaviyo_port = klaviyo.start(
        {.port = 0, .simulator = {.keys = {"pk_right"}, .limits = false, .now = {}, .wait = {}}});
    ASSERT_NE(klaviyo_port, 0);
  }

  void write_key(const std::string& key) {
    std::ofstream(folder.file(".env")) << "KLAVIYO_API_KEY=" << key << "\n";
  }
};

TEST_F(KeyTrouble, ANewKeyResumesWithoutARestart) {
  auto settings = variables();
  settings.erase("KLAVIYO_API_KEY");
  write_key("pk_wrong");
  server = std::make_unique<Program>("checkout_server", std::vector<std::string>{"--port", "0"},
                                     settings, folder.file(""));
  auto http = client();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(post_order(http, order(std::to_string(i))), 201);
  while (metric("postbox_parked_total") < 1) std::this_thread::yield();
  EXPECT_EQ(metric(state("dead")), 0);
  EXPECT_EQ(metric(state("delivered")), 0);

  write_key("pk_right");
  server->signal(SIGHUP);
  wait_until_settled();
  const Recorded found = recorded("pk_right");
  EXPECT_EQ(found.count("Placed Order"), 50U);
  EXPECT_EQ(found.most(), 1U);
  EXPECT_EQ(metric(state("dead")), 0);
  expect_conservation();
}

}  // namespace
}  // namespace postbox::tests
