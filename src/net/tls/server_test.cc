#include "net/tls/server.h"

#include <arpa/inet.h>
#include <csignal>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "net/loop.h"
#include "net/testing/certificates.h"
#include "net/testing/waiting.h"

namespace forebay::net {
namespace {

using namespace std::chrono_literals;
using testing::make_test_identity;
using testing::outcome_of;
using testing::test_identity;

/// A blocking client that trusts anybody.
class tls_client {
public:
  tls_client(std::uint16_t port, SSL_CTX* with, SSL_SESSION* session = nullptr, const char* name = nullptr)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), connection_(SSL_new(with)) {
    const timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    SSL_set_fd(connection_.get(), fd_);
    if (session != nullptr) SSL_set_session(connection_.get(), session);
    if (name != nullptr) SSL_set_tlsext_host_name(connection_.get(), name);
    good = SSL_connect(connection_.get()) == 1;
    ERR_clear_error();
  }
  ~tls_client() {
    SSL_set_shutdown(get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); // else its session could not be resumed
    ::close(fd_);
  }
  SSL* get() const noexcept { return connection_.get(); }
  int fd() const noexcept { return fd_; }
  /// So many bytes, fewer at the end; `ended` tells whether the server said the end.
  std::string read(std::size_t length, bool* ended = nullptr) {
    std::string all;
    std::vector<char> part(64 * 1024);
    while (all.size() < length) {
      const int count = SSL_read(get(), part.data(), static_cast<int>(std::min(part.size(), length - all.size())));
      if (count <= 0) {
        if (ended != nullptr) *ended = SSL_get_error(get(), count) == SSL_ERROR_ZERO_RETURN;
        ERR_clear_error();
        break;
      }
      all.append(part.data(), static_cast<std::size_t>(count));
    }
    return all;
  }
  bool good = false;

private:
  int fd_;
  ssl_ptr connection_;
};

task<result<std::uint16_t>> open_listener(std::unique_ptr<listener>* into) {
  auto opened = listener::open("127.0.0.1:0");
  if (!opened) co_return fail(opened.error());
  *into = std::move(*opened);
  co_return (*into)->bound().port;
}

task<result<std::unique_ptr<stream>>> accept_one(listener* from, std::shared_ptr<const tls_server> with) {
  auto plain = co_await from->accept();
  if (!plain) co_return fail(plain.error());
  auto secured = co_await accept_tls(std::move(*plain).adopt(), std::move(with), deadline::after(20s));
  co_return secured;
}

task<result<void>> send_pieces(stream* to, std::vector<slice> pieces) {
  auto sent = co_await to->send(pieces, false, 20s);
  co_return sent;
}

struct sent_in_two {
  std::size_t at_once = 0;
  bool held_back = false, all = false;
};

task<sent_in_two> send_now_and_rest(stream* to, slice whole) {
  sent_in_two how;
  how.at_once = to->send_now(std::span(&whole, 1));
  how.held_back = to->holds_back();
  const slice rest = whole.part(how.at_once, whole.length_bytes() - how.at_once);
  auto sent = co_await to->send(std::span(&rest, 1), false, 20s);
  how.all = sent.has_value() && !to->holds_back();
  co_return how;
}

task<result<std::string>> read_once(stream* from, std::chrono::milliseconds within) {
  std::array<std::byte, 100> room;
  auto got = co_await from->read_some(room, deadline::after(within));
  if (!got) co_return fail(got.error());
  co_return std::string(reinterpret_cast<const char*>(room.data()), *got);
}

task<bool> is_gone(stream* from) { co_return from->peer_closed(); }

task<bool> end_stream(std::unique_ptr<stream> which, bool abort) {
  if (abort) {
    which->abort();
  } else {
    which->close();
  }
  co_return true;
}

task<bool> drop(std::unique_ptr<stream> which, std::unique_ptr<listener> on) {
  which.reset();
  on.reset();
  co_return true;
}

class TlsServerTest : public ::testing::Test {
protected:
  TlsServerTest() {
    std::signal(SIGPIPE, SIG_IGN); // as the program does
    make_test_identity(ec_, "ec", nullptr, "DNS:data.example,DNS:*.wild.example");
    make_test_identity(rsa_, "rsa", nullptr, "DNS:data.example", true);
    settings_.certificates = {{files_.write_certificate(ec_), files_.write_key(ec_), ""},
                              {files_.write_certificate(rsa_), files_.write_key(rsa_), ""}};
    settings_.protocols = {"h2", "http/1.1"};
    load();
    group_.start();
    port_ = *outcome_of(group_.at(0), open_listener(&listening_));
    SSL_CTX_set_session_cache_mode(client_.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  }
  ~TlsServerTest() override {
    outcome_of(group_.at(0), drop(std::move(accepted_), std::move(listening_)));
    group_.stop();
  }
  void load() {
    auto made = tls_server::make(settings_, tickets_);
    ASSERT_TRUE(made) << made.error().message();
    server_ = std::move(*made);
  }
  std::unique_ptr<tls_client> connect(SSL_SESSION* session = nullptr, const char* name = nullptr) {
    outcome_of(group_.at(0), drop(std::exchange(accepted_, nullptr), nullptr)); // where it lived
    std::unique_ptr<tls_client> made;
    std::thread connecting([&] { made = std::make_unique<tls_client>(port_, client_.get(), session, name); });
    auto got = outcome_of(group_.at(0), accept_one(listening_.get(), server_));
    connecting.join();
    EXPECT_TRUE(got) << got.error().message();
    if (got) accepted_ = std::move(*got);
    return made;
  }

  testing::pem_files files_;
  test_identity ec_, rsa_;
  tls_server_settings settings_;
  fake_clock clock_;
  std::shared_ptr<ticket_keys> tickets_ = std::make_shared<ticket_keys>(clock_, 1h);
  std::shared_ptr<const tls_server> server_;
  loop_group group_{1};
  std::unique_ptr<listener> listening_;
  std::unique_ptr<stream> accepted_;
  std::uint16_t port_ = 0;
  ssl_ctx_ptr client_{SSL_CTX_new(TLS_client_method())};
};

TEST_F(TlsServerTest, LargeAndSmallPiecesArriveInOrder) {
  const auto client = connect();
  ASSERT_TRUE(client->good);
  std::string expected;
  std::vector<slice> pieces;
  for (const std::size_t length : {3u, 0u, 100u, 16'384u, 5u, 16'383u, 3'000'001u, 1u, 40'000u}) {
    std::string text(length, '\0');
    for (std::size_t i = 0; i < length; ++i) text[i] = static_cast<char>((expected.size() + i) * 2654435761u >> 24);
    expected += text;
    pieces.push_back(make_slice(std::move(text)));
  }
  std::string seen;
  std::thread reading([&] { seen = client->read(expected.size()); });
  EXPECT_TRUE(outcome_of(group_.at(0), send_pieces(accepted_.get(), std::move(pieces))));
  reading.join();
  EXPECT_TRUE(seen == expected);
}

TEST_F(TlsServerTest, RecordsLeaveTogether) {
  const auto client = connect();
  ASSERT_TRUE(client->good);
  const auto before = counts().sends;
  EXPECT_TRUE(outcome_of(group_.at(0), send_pieces(accepted_.get(), {make_slice(std::string(300, 'a')),
                                                                     make_slice(std::string(60'000, 'b'))})));
  EXPECT_EQ(counts().sends - before, 1u);
  EXPECT_EQ(client->read(60'300), std::string(300, 'a') + std::string(60'000, 'b'));
}

TEST_F(TlsServerTest, WhatIsSentAtOnceAndTheRestMakeTheWhole) {
  const auto client = connect();
  ASSERT_TRUE(client->good);
  std::string whole(16 << 20, '\0');
  for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<char>(i * 2654435761u >> 24);
  std::string seen;
  std::thread reading([&] {
    std::this_thread::sleep_for(50ms); // the socket is full by then, and if it were not, the test would hold as well
    seen = client->read(whole.size());
  });
  const sent_in_two how = outcome_of(group_.at(0), send_now_and_rest(accepted_.get(), make_slice(whole)));
  reading.join();
  EXPECT_GT(how.at_once, 0u);
  EXPECT_LT(how.at_once, whole.size());
  EXPECT_TRUE(how.held_back) << "records were made of more than the kernel took";
  EXPECT_TRUE(how.all);
  EXPECT_TRUE(seen == whole);
}

TEST_F(TlsServerTest, AReadThatTimesOutLeavesTheConnectionAlone) {
  const auto client = connect();
  const auto nothing = outcome_of(group_.at(0), read_once(accepted_.get(), 40ms));
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().kind, error_kind::timeout);
  SSL_write(client->get(), "hello", 5);
  EXPECT_EQ(outcome_of(group_.at(0), read_once(accepted_.get(), 20s)).value(), "hello");
}

TEST_F(TlsServerTest, AnEndIsSaidAndAnAbortIsNone) {
  for (const bool abort : {false, true}) {
    const auto client = connect();
    outcome_of(group_.at(0), send_pieces(accepted_.get(), {make_slice("half")}));
    outcome_of(group_.at(0), end_stream(std::move(accepted_), abort));
    bool ended = false;
    client->read(100, &ended);
    EXPECT_EQ(ended, !abort);
  }
}

TEST_F(TlsServerTest, AClientThatSaidItsEndIsGoneButCanRead) {
  const auto client = connect();
  EXPECT_FALSE(outcome_of(group_.at(0), is_gone(accepted_.get())));
  SSL_write(client->get(), "last words", 10);
  SSL_shutdown(client->get());
  EXPECT_EQ(outcome_of(group_.at(0), read_once(accepted_.get(), 20s)).value(), "last words");
  EXPECT_EQ(outcome_of(group_.at(0), read_once(accepted_.get(), 20s)).value(), "") << "its end";
  EXPECT_TRUE(outcome_of(group_.at(0), is_gone(accepted_.get())));
  EXPECT_TRUE(outcome_of(group_.at(0), send_pieces(accepted_.get(), {make_slice("an answer")})));
  EXPECT_EQ(client->read(9), "an answer");
}

TEST_F(TlsServerTest, TellsWhatWasAgreedOn) {
  const unsigned char offered[] = "\x08http/1.1\x02h2";
  SSL_CTX_set_alpn_protos(client_.get(), offered, sizeof offered - 1);
  connect(nullptr, "data.example");
  ASSERT_NE(accepted_->tls(), nullptr);
  EXPECT_EQ(accepted_->tls()->version, "TLSv1.3");
  EXPECT_EQ(accepted_->tls()->server_name, "data.example");
  EXPECT_EQ(accepted_->tls()->protocol, "h2") << "our order";
  EXPECT_FALSE(accepted_->tls()->resumed);
}

TEST_F(TlsServerTest, TicketsAreTakenForTwoRotations) {
  const auto resume = [this](SSL_SESSION* session) {
    // A copy: a client that gets another ticket gives the session up that it came with.
    const std::unique_ptr<SSL_SESSION, freed_by<SSL_SESSION_free>> copy(SSL_SESSION_dup(session));
    const auto client = connect(copy.get());
    return client->good && accepted_->tls()->resumed;
  };
  SSL_CTX_set_max_proto_version(client_.get(), TLS1_2_VERSION); // its ticket comes within the handshake
  const auto first = connect();
  const std::unique_ptr<SSL_SESSION, freed_by<SSL_SESSION_free>> session(SSL_get1_session(first->get()));
  EXPECT_TRUE(resume(session.get()));
  clock_.advance(61min);
  EXPECT_TRUE(resume(session.get())) << "sealed by the key before";
  load();
  EXPECT_TRUE(resume(session.get())) << "a reload keeps the keys";
  clock_.advance(61min);
  EXPECT_FALSE(resume(session.get()));
}

TEST_F(TlsServerTest, OtherTermsForClientsEndSessions) {
  SSL_CTX_set_max_proto_version(client_.get(), TLS1_2_VERSION);
  const auto first = connect();
  const std::unique_ptr<SSL_SESSION, freed_by<SSL_SESSION_free>> session(SSL_get1_session(first->get()));
  settings_.clients = client_certificates::optional;
  settings_.client_ca = settings_.certificates[0].cert;
  load();
  const auto second = connect(session.get());
  EXPECT_TRUE(second->good);
  EXPECT_FALSE(accepted_->tls()->resumed);
}

TEST_F(TlsServerTest, NamesFindTheirContexts) {
  SSL_CTX* const both = server_->context_for("data.example");
  EXPECT_EQ(server_->context_for("DATA.example."), both);
  EXPECT_EQ(server_->context_for("nowhere.example"), both) << "the default is the first certificate's";
  SSL_CTX* const wild = server_->context_for("a.wild.example");
  EXPECT_NE(wild, both) << "of the two certificates one has the name";
  EXPECT_EQ(server_->context_for("a.b.wild.example"), both);
  EXPECT_EQ(server_->context_for(".wild.example"), both);
}

TEST_F(TlsServerTest, ProtocolsAreChosenInOurOrder) {
  EXPECT_EQ(server_->choose_protocol("\x08http/1.1\x02h2"), "h2");
  EXPECT_EQ(server_->choose_protocol("\x08http/1.1"), "http/1.1");
  EXPECT_EQ(server_->choose_protocol("\x03h2c"), "");
  EXPECT_EQ(server_->choose_protocol("\xffh2"), "") << "a length beyond the end";
}

} // namespace
} // namespace forebay::net
