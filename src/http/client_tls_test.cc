#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>

#include <cstdio>

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
      if (SSL_accept(tls) == 1) script(tls);
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

} // namespace
} // namespace forebay::http
