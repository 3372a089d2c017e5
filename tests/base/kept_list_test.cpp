// A list that an outbox keeps as a text.
#include "base/kept_list.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace postbox {
namespace {

// Keeps one text. `meanwhile` happens once, between a look and the exchange.
struct Store {
  Result<std::string> keep(std::string_view, std::string_view) {
    const std::string seen = text;
    if (auto act = std::exchange(meanwhile, nullptr)) act();
    return seen;
  }
  Result<std::string> exchange(std::string_view, std::string_view next) {
    if (is_broken) return Error{ErrorCode::kOutboxUnavailable, "gone"};
    return std::exchange(text, std::string(next));
  }

  std::string text;
  std::function<void()> meanwhile;
  bool is_broken = false;
};

TEST(KeptList, LinesGoBehindWhatIsThere) {
  Store store;
  EXPECT_TRUE(add_to_kept(store, "list", "a\n"));
  EXPECT_TRUE(add_to_kept(store, "list", "b\nc\n"));
  EXPECT_EQ(store.text, "a\nb\nc\n");
}

TEST(KeptList, TheOldestLinesGiveWay) {
  Store store;
  store.text = "first\n" + std::string(kMaxKeptText - 8, 'x') + '\n';
  EXPECT_TRUE(add_to_kept(store, "list", "last\n"));
  EXPECT_EQ(store.text.substr(0, 1), "x");
  EXPECT_TRUE(store.text.ends_with("x\nlast\n"));
}

TEST(KeptList, WhatAnotherAddsMeanwhileIsNotLost) {
  Store store;
  store.text = "a\n";
  store.meanwhile = [&] { store.text += "theirs\n"; };
  EXPECT_TRUE(add_to_kept(store, "list", "ours\n"));
  EXPECT_EQ(store.text, "a\nours\ntheirs\n");
}

TEST(KeptList, TheStoresFailureIsTheAnswer) {
  Store store;
  store.is_broken = true;
  EXPECT_EQ(add_to_kept(store, "list", "a\n").error().message, "gone");
}

}  // namespace
}  // namespace postbox
