// over_h2() puts the server's side of HTTP/2, by nghttp2, under a script that decides about every
// request: answer it, refuse it, or say goodbye.
//
// Place:     tests of HTTP/2, inside over_tls().
// Threads:   a session lives on its connection's thread.
// Lifetime:  a session ends with its connection.
// Failure:   what nghttp2 refuses fails the running test.
#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "loopback_server.hpp"

namespace postbox::test {

class H2Session {
 public:
  using Stream = std::int32_t;
  // Called for every request that has arrived whole.
  using Handler = std::function<void(H2Session&, Stream, const std::string& body)>;

  H2Session(Connection& connection, Handler handler)
      : connection_(connection), handler_(std::move(handler)) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &on_frame);
    nghttp2_session* session = nullptr;
    nghttp2_session_server_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    session_.reset(session);
    check(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0));
  }

  // Until the client has gone, or close().
  void run() {
    while (flush() && connection_.read_some()) {
      const std::string input = connection_.take_input();
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(input.data());
      if (nghttp2_session_mem_recv(session_.get(), bytes, input.size()) < 0) return;
    }
  }

  [[nodiscard]] int connection() const { return connection_.number(); }  // counts from 1

  // Answer 200, with `body` as a header "x-body".
  void answer(Stream stream, std::string_view body) {
    const auto field = [](std::string_view name, std::string_view value) {
      return nghttp2_nv{byte_pointer(name), byte_pointer(value), name.size(), value.size(),
                        NGHTTP2_NV_FLAG_NONE};
    };
    const nghttp2_nv fields[] = {field(":status", "200"), field("x-body", body)};
    check(nghttp2_submit_response(session_.get(), stream, fields, 2, nullptr));
  }

  void reset(Stream stream, std::uint32_t error) {
    check(nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, stream, error));
  }

  // Announce that no stream after `last` has been or will be processed.
  void go_away(Stream last) {
    check(nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, nullptr,
                                0));
  }

  // Send what is due, then close the connection.
  void close() { closing_ = true; }

 private:
  struct Free {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };

  static std::uint8_t* byte_pointer(std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  }
  static void check(int result) { EXPECT_EQ(result, 0) << nghttp2_strerror(result); }

  bool flush() {
    const std::uint8_t* data = nullptr;
    for (;;) {
      const auto size = nghttp2_session_mem_send(session_.get(), &data);
      if (size <= 0) return size == 0 && !closing_;
      const auto length = static_cast<std::size_t>(size);
      if (!connection_.send({reinterpret_cast<const char*>(data), length})) return false;
    }
  }

  static int on_data(nghttp2_session*, std::uint8_t, Stream stream, const std::uint8_t* data,
                     std::size_t size, void* self) {
    static_cast<H2Session*>(self)->bodies_[stream].append(reinterpret_cast<const char*>(data),
                                                          size);
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    const bool of_a_request = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (of_a_request && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      auto& session = *static_cast<H2Session*>(self);
      const Stream stream = frame->hd.stream_id;
      session.handler_(session, stream, session.bodies_[stream]);
    }
    return 0;
  }

  Connection& connection_;
  const Handler handler_;
  std::unique_ptr<nghttp2_session, Free> session_;
  std::map<Stream, std::string> bodies_;
  bool closing_ = false;
};

[[nodiscard]] inline LoopbackServer::Script over_h2(H2Session::Handler handler) {
  return [handler = std::move(handler)](Connection& connection) {
    H2Session(connection, handler).run();
  };
}

}  // namespace postbox::test
