#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <cstdio>

#include "http/client_certificate.h"
#include "http/testing/client_fixture.h"
#include "http/testing/raw_origin.h"
#include "net/testing/certificates.h"

namespace forebay::http {
namespace {

using net::testing::make_test_identity;
using net::testing::test_identity;
using testing::fetched;
using ::testing::HasSubstr;
using testing::raw_connection;
using testing::raw_origin;

/// What an HTTPS origin does with one connection once TLS stands.
using tls_script = std::function<void(SSL*)>;

std::string read_head(SSL* peer) {
  std::string head;
  char bytes[4096];
  while (head.find("\r\n\r\n") == std::string::npos) {
    const int n = SSL_read(peer, bytes, sizeof bytes);
    if (n <= 0) return {};
    head.append(bytes, static_cast<std::size_t>(n));
  }
  return head;
}

/// A socket that is closed with bytes unread resets the connection, and the alert on its way is lost.
void let_alert_arrive(int fd) {
  ::shutdown(fd, SHUT_WR);
  char bytes[4096];
  while (::recv(fd, bytes, sizeof bytes, 0) > 0) continue;
}

class ClientTlsTest : public testing::client_test {
protected:
  ClientTlsTest() {
    make_test_identity(authority_, "test authority", nullptr, "");
    char path[] = "/tmp/forebay-ca-XXXXXX";
    FILE* const file = ::fdopen(::mkstemp(path), "w");
    PEM_write_X509(file, authority_.certificate);
    std::fclose(file);
    ca_path_ = path;
  }
  ~ClientTlsTest() override {
    end();
    ::unlink(ca_path_.c_str());
    SSL_CTX_free(context_);
  }
  void trust_authority() {
    client_settings settings = testing::test_settings();
    settings.ca_bundle = ca_path_;
    use(settings);
  }
  raw_origin::script serve(const std::string& names, tls_script script) {
    make_test_identity(server_, "test server", &authority_, names);
    context_ = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(context_, server_.certificate);
    SSL_CTX_use_PrivateKey(context_, server_.key);
    return [this, script](raw_connection& peer) {
      SSL* const tls = SSL_new(context_);
      SSL_set_fd(tls, peer.fd());
      if (SSL_accept(tls) == 1)
        script(tls);
      else
        let_alert_arrive(peer.fd());
      SSL_free(tls);
      ERR_clear_error();
    };
  }
  static std::string url(const raw_origin& server) {
    return "https://127.0.0.1:" + std::to_string(server.port()) + "/";
  }

  test_identity authority_, server_;
  SSL_CTX* context_ = nullptr;
  std::string ca_path_;
};

void answer_requests(SSL* peer, const std::string& body) {
  while (!read_head(peer).empty()) {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    SSL_write(peer, head.data(), static_cast<int>(head.size()));
    if (!body.empty()) SSL_write(peer, body.data(), static_cast<int>(body.size()));
  }
}

TEST_F(ClientTlsTest, RefusesCertificatesThatNobodyVouchesFor) {
  raw_origin server(serve("IP:127.0.0.1", [](SSL* peer) { answer_requests(peer, "x"); }));
  const fetched got = get(url(server));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::unreachable);
  EXPECT_FALSE(got.failed->retryable);
  EXPECT_THAT(got.failed->context, HasSubstr("certificate"));
}

TEST_F(ClientTlsTest, TrustsTheConfiguredAuthority) {
  trust_authority();
  raw_origin server(serve("IP:127.0.0.1", [](SSL* peer) { answer_requests(peer, "over TLS"); }));
  for (int i = 0; i < 2; ++i) {
    const fetched got = get(url(server));
    ASSERT_FALSE(got.failed) << got.failed->message();
    EXPECT_EQ(got.body, "over TLS");
  }
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(ClientTlsTest, RefusesCertificatesOfOtherHosts) {
  trust_authority();
  raw_origin server(serve("DNS:other.example", [](SSL* peer) { answer_requests(peer, "x"); }));
  const fetched got = get(url(server));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::unreachable);
}

TEST_F(ClientTlsTest, CarriesLargeBodiesInAnyPortions) {
  trust_authority();
  std::string body(4'000'000, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 2654435761u >> 24);
  raw_origin server(serve("IP:127.0.0.1", [&](SSL* peer) { answer_requests(peer, body); }));
  for (const std::size_t span : {999u, 65'536u, 3u << 20}) {
    client_request asked;
    asked.url = url(server);
    const fetched got = fetch(std::move(asked), span);
    ASSERT_FALSE(got.body_failed) << got.body_failed->message();
    EXPECT_TRUE(got.body == body) << span << " " << got.body.size();
  }
}

/// A proxy that opens the tunnel it is asked for (to 127.0.0.1) and carries bytes both ways until one side ends.
void tunnel(raw_connection& client, std::string* asked) {
  const std::string head = client.read_head();
  if (head.empty()) return;
  *asked = head;
  const std::size_t colon = head.find(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(head.substr(colon + 1))));
  raw_connection origin(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(origin.fd(), reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return;
  client.write("HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\nContent-Length: 5\r\n\r\n");
  pollfd watched[2] = {{client.fd(), POLLIN, 0}, {origin.fd(), POLLIN, 0}};
  char bytes[16384];
  while (::poll(watched, 2, 20'000) > 0) {
    for (int side = 0; side < 2; ++side) {
      if ((watched[side].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
      const ssize_t n = ::recv(watched[side].fd, bytes, sizeof bytes, 0);
      if (n <= 0) return;
      (side == 0 ? origin : client).write(std::string_view(bytes, static_cast<std::size_t>(n)));
    }
  }
}

TEST_F(ClientTlsTest, TunnelsThroughTheProxy) {
  std::string asked;
  raw_origin proxy([&](raw_connection& peer) { tunnel(peer, &asked); });
  client_settings settings = testing::test_settings();
  settings.ca_bundle = ca_path_;
  settings.proxy = proxy.url("");
  use(settings);
  raw_origin server(serve("IP:127.0.0.1", [](SSL* peer) { answer_requests(peer, "tunnelled"); }));
  client_request request;
  request.url = url(server);
  request.fields.add("X-Secret", "for the origin");
  const fetched got = fetch(std::move(request));
  ASSERT_FALSE(got.failed) << got.failed->message();
  EXPECT_EQ(got.body, "tunnelled");
  EXPECT_FALSE(got.fields.has("X-Proxy")) << "only the origin's head counts";
  EXPECT_THAT(asked, HasSubstr("CONNECT 127.0.0.1:"));
  EXPECT_EQ(asked.find("X-Secret"), std::string::npos);
}

TEST_F(ClientTlsTest, AnEndWithNoticeIsOne) {
  trust_authority();
  raw_origin server(serve("IP:127.0.0.1", [](SSL* peer) {
    if (read_head(peer).empty()) return;
    const std::string text = "HTTP/1.0 200 OK\r\n\r\nuntil the end";
    SSL_write(peer, text.data(), static_cast<int>(text.size()));
    SSL_shutdown(peer);
  }));
  const fetched got = get(url(server));
  EXPECT_FALSE(got.body_failed) << got.body_failed->message();
  EXPECT_EQ(got.body, "until the end");
}

TEST_F(ClientTlsTest, AnEndWithoutNoticeIsNoEnd) {
  trust_authority();
  raw_origin server(serve("IP:127.0.0.1", [](SSL* peer) {
    if (read_head(peer).empty()) return;
    const std::string text = "HTTP/1.0 200 OK\r\n\r\nuntil the e";
    SSL_write(peer, text.data(), static_cast<int>(text.size()));
    // The connection closes without close_notify: anybody on the way could have cut it.
  }));
  const fetched got = get(url(server));
  ASSERT_TRUE(got.body_failed);
  EXPECT_EQ(got.body_failed->kind, error_kind::broken);
}

/// A server that lets in who shows a certificate of its authority, and says whose it was.
class ClientCertificateTest : public ClientTlsTest {
protected:
  ClientCertificateTest() {
    trust_authority();
    make_test_identity(first_, "first", &authority_, "");
    make_test_identity(second_, "second", &authority_, "");
    make_test_identity(strange_authority_, "strange authority", nullptr, "");
    make_test_identity(stranger_, "stranger", &strange_authority_, "");
  }
  raw_origin::script demand(int version = TLS1_3_VERSION) {
    const auto script = serve("IP:127.0.0.1", [](SSL* peer) { answer_requests(peer, shown_by(peer)); });
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), authority_.certificate);
    const unsigned char name[] = "test";
    SSL_CTX_set_session_id_context(context_, name, sizeof name);
    SSL_CTX_set_max_proto_version(context_, version);
    return script;
  }
  static std::string shown_by(SSL* peer) {
    const std::unique_ptr<X509, decltype(&X509_free)> shown(SSL_get1_peer_certificate(peer), &X509_free);
    char name[64] = "";
    if (shown) X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, name, sizeof name);
    return name;
  }
  static void expect_refusal(const fetched& got) {
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.failed->kind, error_kind::unreachable) << got.failed->message();
    EXPECT_FALSE(got.failed->retryable);
    EXPECT_THAT(got.failed->context, HasSubstr("the certificate that this node shows"));
  }
  net::certificate_files write(const test_identity& of) { return {pem_.write_certificate(of), pem_.write_key(of), ""}; }
  static std::shared_ptr<client_certificate> find(const net::certificate_files& files) {
    auto found = client_certificate::find(files);
    EXPECT_TRUE(found) << (found ? "" : found.error().message());
    return found ? *found : nullptr;
  }
  fetched get_as(const raw_origin& server, std::shared_ptr<const client_certificate> shown) {
    client_request asked;
    asked.url = url(server);
    asked.certificate = std::move(shown);
    return fetch(std::move(asked));
  }

  test_identity first_, second_, strange_authority_, stranger_;
  net::testing::pem_files pem_;
};

TEST_F(ClientCertificateTest, IsShownToWhoAsks) {
  raw_origin server(demand());
  const auto first = find(write(first_)), second = find(write(second_));
  for (int turn = 0; turn < 2; ++turn) {
    const fetched got = get_as(server, first);
    ASSERT_FALSE(got.failed) << got.failed->message();
    EXPECT_EQ(got.body, "first");
  }
  EXPECT_EQ(server.connections(), 1u);
  EXPECT_EQ(get_as(server, second).body, "second"); // nobody goes on where another one was let in
  EXPECT_EQ(get_as(server, first).body, "first");
  EXPECT_EQ(server.connections(), 2u);
  const fetched nobody = get_as(server, nullptr);
  EXPECT_TRUE(nobody.failed || nobody.body_failed);
}

TEST_F(ClientCertificateTest, ARefusalSaysWhatItIsAbout) {
  raw_origin server(demand());
  expect_refusal(get_as(server, find(write(stranger_))));
  expect_refusal(get_as(server, nullptr));
}

TEST_F(ClientCertificateTest, ARefusalByTls12DoesToo) {
  raw_origin server(demand(TLS1_2_VERSION));
  expect_refusal(get_as(server, find(write(stranger_))));
}

TEST_F(ClientCertificateTest, ARenewedOneIsShownFromTheNextConnectionOn) {
  raw_origin server(demand());
  const auto files = write(first_), renewed = write(second_);
  const auto shown = find(files);
  EXPECT_EQ(get_as(server, shown).body, "first");
  EXPECT_EQ(client_certificate::refresh().loaded, 0u);
  std::filesystem::copy_file(renewed.cert, files.cert, std::filesystem::copy_options::overwrite_existing);
  const auto half = client_certificate::refresh(); // the key is still the old one
  ASSERT_EQ(half.failures.size(), 1u);
  EXPECT_EQ(half.failures[0].source, files.key);
  EXPECT_EQ(get_as(server, shown).body, "first");
  std::filesystem::copy_file(renewed.key, files.key, std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(client_certificate::refresh().loaded, 1u);
  EXPECT_EQ(get_as(server, shown).body, "second");
  EXPECT_EQ(find(files), shown);
}

TEST_F(ClientCertificateTest, WhatIsNoneIsToldByItsFile) {
  const auto good = write(first_), other = write(second_);
  const auto mixed = client_certificate::find({good.cert, other.key, ""});
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().source, other.key);
  const auto absent = client_certificate::find({"/nonexistent.pem", good.key, ""});
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().source, "/nonexistent.pem");
}

} // namespace
} // namespace forebay::http
