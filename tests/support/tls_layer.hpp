// TlsIdentity is a server's key and self-signed certificate; over_tls() puts a script of
// LoopbackServer behind a TLS handshake with it.
//
// Place:     tests of TLS and of HTTP/2.
// Threads:   an identity may serve several connections at once.
// Lifetime:  an identity must outlive the server; its file is removed with it.
// Failure:   set-up problems throw; a handshake that fails ends the script before it begins.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "curl/handles.hpp"
#include "loopback_server.hpp"
#include "temporary_folder.hpp"

namespace postbox::test {

struct FreeSsl {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_EXTENSION* p) const { X509_EXTENSION_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, FreeSsl>;

class TlsIdentity {
 public:
  // `names` as in an OpenSSL configuration, such as "IP:127.0.0.1".
  explicit TlsIdentity(const std::string& names = "IP:127.0.0.1") {
    const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
    const Owned<X509> certificate = self_signed(key.get(), names);
    const Owned<BIO> file(BIO_new_file(ca_file().c_str(), "w"));
    if (PEM_write_bio_X509(file.get(), certificate.get()) != 1 ||
        SSL_CTX_use_certificate(context_.get(), certificate.get()) != 1 ||
        SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1) {
      throw std::runtime_error("no TLS identity");
    }
  }

  [[nodiscard]] SSL_CTX* context() const { return context_.get(); }

  // Agree on `protocol` with ALPN, and refuse clients that do not offer it.
  void require_protocol(std::string_view protocol) {
    alpn_.assign(1, static_cast<char>(protocol.size())).append(protocol);
    SSL_CTX_set_alpn_select_cb(context_.get(), &select_alpn, this);
  }

  // The certificate, for HttpOptions::ca_file.
  [[nodiscard]] std::string ca_file() const { return folder_.file("ca.pem"); }

 private:
  static Owned<X509> self_signed(EVP_PKEY* key, const std::string& names) {
    Owned<X509> certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
    const Owned<X509_EXTENSION> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str()));
    X509_add_ext(certificate.get(), extension.get(), -1);
    X509_NAME* name = X509_get_subject_name(certificate.get());
    const auto* text = reinterpret_cast<const unsigned char*>("postbox test");
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_issuer_name(certificate.get(), name);
    X509_set_pubkey(certificate.get(), key);
    X509_sign(certificate.get(), key, EVP_sha256());
    return certificate;
  }

  static int select_alpn(SSL*, const unsigned char** chosen, unsigned char* length,
                         const unsigned char* offered, unsigned int offered_length, void* user) {
    const std::string& list = static_cast<TlsIdentity*>(user)->alpn_;
    const int result =
        SSL_select_next_proto(const_cast<unsigned char**>(chosen), length,
                              reinterpret_cast<const unsigned char*>(list.data()),
                              static_cast<unsigned>(list.size()), offered, offered_length);
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  std::string alpn_;
  tests::TemporaryFolder folder_;
  Owned<SSL_CTX> context_{SSL_CTX_new(TLS_server_method())};
};

class TlsLayer final : public Connection::Layer {
 public:
  TlsLayer(const TlsIdentity& identity, int fd) : ssl_(SSL_new(identity.context())) {
    SSL_set_fd(ssl_.get(), fd);
  }
  [[nodiscard]] bool accept() { return SSL_accept(ssl_.get()) == 1; }

  ssize_t read(char* data, std::size_t size) override {
    return SSL_read(ssl_.get(), data, static_cast<int>(size));
  }
  ssize_t write(const char* data, std::size_t size) override {
    return SSL_write(ssl_.get(), data, static_cast<int>(size));
  }

 private:
  const SigpipeGuard guard_;  // made, used and ended on the script's thread
  Owned<SSL> ssl_;
};

[[nodiscard]] inline LoopbackServer::Script over_tls(const TlsIdentity& identity,
                                                     LoopbackServer::Script script) {
  return [&identity, script = std::move(script)](Connection& connection) {
    auto layer = std::make_unique<TlsLayer>(identity, connection.fd());
    if (!layer->accept()) return;
    connection.put_on(std::move(layer));
    script(connection);
    connection.put_on(nullptr);
  };
}

}  // namespace postbox::test
