#include "transfer.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <string>

#include "base/assert.hpp"

namespace postbox {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64U << 10U;
constexpr std::size_t kUsualHeaders = 16;
constexpr std::uint64_t kDropFactor = 8;
constexpr std::uint64_t kLeastReadLimit = 64U << 10U;
constexpr std::size_t kMaxDetail = 240;

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Says whether `line`, which starts with "HTTP/", goes on with a version and three digits. libcurl
// 7.88 takes any other line for a 200, which would count as delivered.
bool is_status_line(std::string_view line) noexcept {
  constexpr std::string_view kDigits = "0123456789";
  line.remove_prefix(5);
  line.remove_prefix(std::min(line.find_first_not_of("0123456789."), line.size()));
  const std::string_view text = trimmed(line);
  return line.starts_with(' ') && text.substr(0, 3).find_first_not_of(kDigits) == text.npos &&
         text.size() >= 3 && (text.size() == 3 || text[3] == ' ');
}

// NOLINTNEXTLINE(readability-function-size): a table
TransportFault fault_of(CURLcode code) noexcept {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
      return TransportFault::kDns;
    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
    case CURLE_PROXY:
    case CURLE_QUIC_CONNECT_ERROR:
      return TransportFault::kConnect;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_USE_SSL_FAILED:
      return TransportFault::kTls;
    case CURLE_OPERATION_TIMEDOUT:
      return TransportFault::kTimeout;
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_HTTP2:  // libcurl 7.88 reports about one h2 transfer in a thousand so, at random
    case CURLE_HTTP2_STREAM:
    case CURLE_HTTP3:
      return TransportFault::kReset;
    case CURLE_UNSUPPORTED_PROTOCOL:  // also what libcurl calls an answer without a status line
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_CHUNK_FAILED:
    case CURLE_FILESIZE_EXCEEDED:
      return TransportFault::kProtocol;
    default:
      return TransportFault::kOther;
  }
}

// libcurl quotes URLs in some messages, and those may hold a query or the proxy's credentials.
bool may_quote_url(std::string_view text) noexcept {
  return text.find("://") != std::string_view::npos || text.find_first_of("@?") != text.npos;
}

std::string detail_of(const Transfer& transfer) noexcept {
  try {
    std::string detail = curl_easy_strerror(transfer.result);
    const std::string_view more = transfer.error_text.data();
    if (!more.empty() && !may_quote_url(more)) detail.append(": ").append(trimmed(more));
    if (detail.size() > kMaxDetail) detail.resize(kMaxDetail);
    std::replace_if(
        detail.begin(), detail.end(), [](char c) { return c >= 0 && c < ' '; }, ' ');
    return detail;
  } catch (const std::exception&) {
    return {};
  }
}

TransportFailure failure_of(const Transfer& transfer) noexcept {
  if (transfer.reader.aborted() == ResponseReader::Abort::kHeadTooLarge) {
    return {TransportFault::kProtocol, "too large"};  // these are short: they need no memory
  }
  if (transfer.reader.aborted() == ResponseReader::Abort::kMalformed) {
    return {TransportFault::kProtocol, "no status line"};
  }
  if (transfer.reader.aborted() == ResponseReader::Abort::kNoMemory) {
    return {TransportFault::kOther, "out of memory"};
  }
  long tunnel = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_HTTP_CONNECTCODE, &tunnel);
  // A proxy that refuses the tunnel shows up as a receive error, yet nothing was sent.
  const bool refused = transfer.result == CURLE_RECV_ERROR && tunnel >= 300;
  return {refused ? TransportFault::kConnect : fault_of(transfer.result), detail_of(transfer)};
}

bool has_control_characters(std::string_view text) noexcept {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; });
}

}  // namespace

bool ResponseReader::header_line(std::string_view line) noexcept {
  header_bytes_ += line.size();
  if (header_bytes_ > kMaxHeaderBytes) return abort(Abort::kHeadTooLarge);
  try {
    take_header(line);
  } catch (const std::exception&) {
    return abort(Abort::kNoMemory);
  }
  return aborted_ == Abort::kNone;
}

bool ResponseReader::body_part(std::string_view part, std::uint64_t keep) noexcept {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max() / kDropFactor;
  const auto limit = std::max(std::min(keep, kMost) * kDropFactor, kLeastReadLimit);
  body_bytes_ += part.size();
  if (body_bytes_ > limit) return abort(Abort::kEnough);
  try {
    const auto room = keep - std::min<std::uint64_t>(keep, response_.body.size());
    response_.body.append(part.substr(0, std::min<std::uint64_t>(room, part.size())));
    POSTBOX_ASSERT(response_.body.size() <= keep);
  } catch (const std::exception&) {
    return abort(Abort::kNoMemory);
  }
  return true;
}

// A status line starts over, so that only the last of several answers (1xx, then the real one)
// stays. What follows the empty line is a trailer, which must not pass for a header.
void ResponseReader::take_header(std::string_view line) {
  if (!in_head_ && body_bytes_ == 0 && line.starts_with("HTTP/")) {
    response_.headers.clear();
    in_head_ = true;
    if (!is_status_line(line)) abort(Abort::kMalformed);
    return;
  }
  const std::string_view text = trimmed(line);
  if (text.empty()) in_head_ = false;
  if (!in_head_) return;
  if (line.front() == ' ' || line.front() == '\t') {  // a folded line continues the one before
    if (!response_.headers.empty()) response_.headers.back().second.append(1, ' ').append(text);
    return;
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return;
  if (response_.headers.empty()) response_.headers.reserve(kUsualHeaders);
  std::string name(trimmed(text.substr(0, colon)));
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  response_.headers.emplace_back(std::move(name), trimmed(text.substr(colon + 1)));
}

const char* fault_in(const HttpRequest& request) noexcept {
  if (has_control_characters(request.url)) return "control character in the URL";
  const bool bad = std::any_of(request.headers.begin(), request.headers.end(),
                               [](const auto& line) { return has_control_characters(line); });
  return bad ? "control character in a header" : nullptr;
}

std::variant<HttpResponse, TransportFailure> outcome_of(Transfer& transfer) noexcept {
  if (transfer.result != CURLE_OK && !transfer.reader.complete(transfer.keep)) {
    return failure_of(transfer);
  }
  long status = 0;
  curl_easy_getinfo(transfer.easy.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status < 200 || status > 999) return TransportFailure{TransportFault::kProtocol, "no status"};
  return transfer.reader.take(static_cast<int>(status));
}

extern "C" {

std::size_t postbox_on_header(char* data, std::size_t, std::size_t size, void* user) noexcept {
  return static_cast<Transfer*>(user)->reader.header_line({data, size}) ? size : 0;
}

// libcurl never passes an empty part, so 0 always means failure.
std::size_t postbox_on_body(char* data, std::size_t, std::size_t size, void* user) noexcept {
  auto& transfer = *static_cast<Transfer*>(user);
  return transfer.reader.body_part({data, size}, transfer.keep) ? size : 0;
}

}  // extern "C"

}  // namespace postbox
