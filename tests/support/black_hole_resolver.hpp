// BlackHoleResolver is a name server that does not answer: while one lives, a look-up of kName
// waits until release(). black_hole_resolver.cpp puts it in front of the C library's getaddrinfo().
//
// Place:     tests of CurlHttpClient.
// Threads:   the look-ups wait on the threads that make them.
// Lifetime:  one at a time; the destructor releases, and waits until every look-up has gone.
// Failure:   a look-up that nobody releases ends by itself after kPatience, and expired() says so.
#pragma once

namespace postbox::test {

class BlackHoleResolver {
 public:
  static constexpr const char* kName = "black-hole.test";

  BlackHoleResolver();
  ~BlackHoleResolver();
  BlackHoleResolver(const BlackHoleResolver&) = delete;
  BlackHoleResolver& operator=(const BlackHoleResolver&) = delete;

  // Wait until a look-up is waiting.
  void wait_for_look_up();
  [[nodiscard]] bool expired() const;
};

}  // namespace postbox::test
