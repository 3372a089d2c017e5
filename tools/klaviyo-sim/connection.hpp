// Connection is one accepted socket: requests come out, answers go in.
//
// Place:     between the socket and HttpServer.
// Threads:   used by the thread that serves the connection. Another may shut the socket down, which
//            ends every wait.
// Lifetime:  borrows the socket; HttpServer closes it.
// Failure:   whatever is wrong with the socket or with HTTP itself ends the connection.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <optional>

#include "message.hpp"

namespace sim {

class Connection {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  explicit Connection(Socket& socket) : socket_(socket) {}

  // Waits for the next request. Nothing: the connection is over. A request that cannot be read has
  // been answered then.
  std::optional<Request> read();

  // Sends the answer, or the part of it that its delivery allows. False: the connection is over.
  bool answer(const Response& response);

  // Reads with a timeout: the connection as a SyncReadStream of Boost.Beast.
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, boost::system::error_code& error) {
    if (wait_readable(kReadTimeout)) return socket_.read_some(buffers, error);
    error = boost::asio::error::timed_out;
    return 0;
  }
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    boost::system::error_code error;
    const std::size_t count = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return count;
  }

 private:
  static constexpr std::chrono::seconds kReadTimeout{30};

  bool wait_readable(std::chrono::milliseconds timeout);
  void refuse(int status);
  void drain();

  Socket& socket_;
  boost::beast::flat_buffer input_;  // may hold the beginning of the next request

  // Of the request that is being answered.
  unsigned version_ = 11;
  bool keep_alive_ = false;
  bool head_only_ = false;
};

}  // namespace sim
