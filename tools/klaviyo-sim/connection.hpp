// Connection is one accepted socket as a stream for httplib.
//
// Place:     between the socket and HttpServer.
// Threads:   used by the thread that serves the connection.
// Lifetime:  borrows the socket; HttpServer closes it.
// Failure:   a read or write that fails returns -1 or 0, as httplib expects.
//
// Why not httplib's own stream: a scripted fault needs the socket, and an answer that is sent in
// one piece neither waits for Nagle's algorithm nor can be cut by chance.
#pragma once

#include <httplib.h>

#include <array>
#include <chrono>
#include <string>

#include "message.hpp"

namespace sim {

class Connection : public httplib::Stream {
 public:
  Connection(int fd, std::chrono::seconds read_timeout);

  // Waits for the first byte of the next request. False: closed, or nothing came in time.
  bool wait_for_request(std::chrono::seconds timeout);

  // How the answer that is being written leaves. Set by the handler for one request.
  void set_delivery(Delivery delivery) { delivery_ = delivery; }
  Delivery delivery() const { return delivery_; }

  // Sends the answer, or the part of it that the delivery allows. False: the connection is over.
  bool finish_answer();

  // Makes the close of the socket a reset.
  void abort();

  bool is_readable() const override;
  bool is_writable() const override { return true; }
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  socket_t socket() const override { return fd_; }

 private:
  bool has_input() const { return begin_ < end_; }
  bool fill();
  bool send_all(const char* data, std::size_t size);

  const int fd_;
  const std::chrono::seconds read_timeout_;
  std::array<char, 16384> input_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string output_;
  Delivery delivery_ = Delivery::kWhole;
};

}  // namespace sim
