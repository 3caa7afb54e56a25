#include "http/client.h"

#include <gmock/gmock.h>

#include "http/testing/client_fixture.h"
#include "http/testing/raw_origin.h"

namespace forebay::http {
namespace {

using testing::fetched;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::raw_connection;
using testing::raw_origin;

class ClientTest : public testing::client_test {};

/// A script that answers every request with the same raw bytes, then ends the connection.
raw_origin::script once(std::string raw) {
  return [raw = std::move(raw)](raw_connection& peer) {
    if (peer.read_head().empty()) return;
    peer.write(raw);
  };
}

TEST_F(ClientTest, SendsTheTargetByteForByte) {
  std::string head;
  raw_origin server([&](raw_connection& peer) {
    head = peer.read_head();
    peer.answer("200 OK", "X-Test:  padded \r\nX-Test: two\r\n", "hello");
  });
  const std::string target = "/a//b/../c/./%2e%2E/%2Fx+y=z%20~'(1)!?q=a%2Bb&c=%2f+d";
  const fetched got = get(server.url(target));
  ASSERT_FALSE(got.failed) << got.failed->message();
  EXPECT_EQ(got.status, 200u);
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(got.fields.joined("x-test"), "padded, two");
  EXPECT_THAT(head, HasSubstr("GET " + target + " HTTP/1.1\r\n"));
  EXPECT_THAT(head, HasSubstr("Host: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
  EXPECT_THAT(head, HasSubstr("User-Agent: forebay/"));
  for (const char* absent : {"Accept:", "Accept-Encoding:", "Connection:", "Expect:", "TE:"}) {
    EXPECT_THAT(head, Not(HasSubstr(absent)));
  }
}

TEST_F(ClientTest, SendsTheFieldsOfTheRequest) {
  std::string head;
  raw_origin server([&](raw_connection& peer) {
    head = peer.read_head();
    peer.answer("206 Partial Content", "Content-Encoding: gzip\r\n", "not really gzip");
  });
  client_request asked;
  asked.url = server.url("/");
  asked.fields.add("Range", "bytes=5-");
  asked.fields.add("Accept-Encoding", "identity");
  asked.fields.add("X-Empty", "");
  asked.fields.add("Content-Length", "17");
  const fetched got = fetch(std::move(asked));
  ASSERT_FALSE(got.failed);
  EXPECT_EQ(got.body, "not really gzip") << "content codings must not be decoded";
  EXPECT_THAT(head, HasSubstr("Range: bytes=5-\r\n"));
  EXPECT_THAT(head, HasSubstr("Accept-Encoding: identity\r\n"));
  EXPECT_THAT(head, HasSubstr("X-Empty:\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Content-Length")));
}

TEST_F(ClientTest, RefusesFieldsThatSplitRequests) {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"X", "a\x01"
                                                                                          "b"},
                                                                                    {"X\r\nY", "a"},
                                                                                    {"X Y", "a"},
                                                                                    {"", "a"}}) {
    client_request asked;
    asked.url = "http://127.0.0.1:1/";
    asked.fields.add(name, value);
    const fetched got = fetch(std::move(asked));
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.failed->kind, error_kind::invalid_input);
  }
}

TEST_F(ClientTest, KeepsConnections) {
  raw_origin server([](raw_connection& peer) {
    while (!peer.read_head().empty()) peer.answer("200 OK", "", "body");
  });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(get(server.url("/")).body, "body");
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(ClientTest, RepeatsAReadWhenAPooledConnectionDied) {
  raw_origin server([](raw_connection& peer) {
    if (!peer.read_head().empty()) peer.answer("200 OK", "", "body"); // and closes without saying so
  });
  for (int i = 0; i < 3; ++i) {
    const fetched got = get(server.url("/"));
    EXPECT_EQ(got.body, "body");
  }
  EXPECT_EQ(server.connections(), 3u);
}

TEST_F(ClientTest, DecodesChunksAndDropsTrailers) {
  raw_origin server(once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
                         "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: late\r\n\r\n"));
  const fetched got = get(server.url("/"));
  EXPECT_EQ(got.body, "hello world");
  EXPECT_FALSE(got.body_failed);
  EXPECT_FALSE(got.fields.has("X-Trailer"));
  EXPECT_FALSE(got.fields.has("Content-Length"));
}

TEST_F(ClientTest, ReadsABodyThatEndsWithTheConnection) {
  raw_origin server(once("HTTP/1.0 200 OK\r\n\r\nuntil the end"));
  const fetched got = get(server.url("/"));
  EXPECT_EQ(got.body, "until the end");
  EXPECT_FALSE(got.body_failed);
}

TEST_F(ClientTest, AnswersWithoutBodies) {
  raw_origin server([](raw_connection& peer) {
    for (;;) {
      const std::string head = peer.read_head();
      if (head.empty()) return;
      if (head.starts_with("HEAD"))
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 5000000000000\r\n\r\n");
      else if (head.find("/304") != std::string::npos)
        peer.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
      else
        peer.write("HTTP/1.1 204 No Content\r\n\r\n");
    }
  });
  client_request head;
  head.method = "HEAD";
  head.url = server.url("/");
  const fetched got = fetch(std::move(head));
  EXPECT_EQ(got.status, 200u);
  EXPECT_EQ(got.fields.get("content-length"), "5000000000000");
  EXPECT_EQ(got.body, "");
  EXPECT_FALSE(got.body_failed);
  EXPECT_EQ(get(server.url("/304")).status, 304u);
  EXPECT_EQ(get(server.url("/204")).status, 204u);
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(ClientTest, OnlyTheFinalHeadCounts) {
  raw_origin server(once("HTTP/1.1 100 Continue\r\nX: one\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: two\r\n\r\n"
                         "HTTP/1.1 200 OK\r\nX: three\r\nX-Folded: a\r\n  b\r\nContent-Length: 2\r\n\r\nok"));
  client_request asked;
  asked.url = server.url("/");
  std::vector<std::string> interim;
  asked.on_interim = [&interim](const response_head& head) {
    interim.push_back(std::to_string(head.status) + " " + std::string(head.fields.get("x").value_or("")));
  };
  const fetched got = fetch(std::move(asked));
  EXPECT_EQ(interim, std::vector<std::string>{"103 two"}) << "100 is nobody's but the connection's";
  EXPECT_EQ(got.status, 200u);
  EXPECT_EQ(got.fields.joined("X"), "three");
  EXPECT_EQ(got.fields.get("X-Folded"), "a b");
  EXPECT_EQ(got.body, "ok");
}

TEST_F(ClientTest, FollowsNoRedirect) {
  raw_origin server(once("HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"));
  const fetched got = get(server.url("/"));
  EXPECT_EQ(got.status, 302u);
  EXPECT_EQ(got.fields.get("location"), "/other");
}

// What breaks off.

TEST_F(ClientTest, TellsTruncatedBodies) {
  raw_origin server(once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234"));
  const fetched got = get(server.url("/"));
  EXPECT_EQ(got.body, "1234");
  ASSERT_TRUE(got.body_failed);
  EXPECT_EQ(got.body_failed->kind, error_kind::broken);
  EXPECT_THAT(got.body_failed->context, HasSubstr("4 of 10 bytes"));
  EXPECT_EQ(got.body_failed->source, "http://127.0.0.1:" + std::to_string(server.port()));
}

TEST_F(ClientTest, TellsTruncatedChunks) {
  raw_origin server(once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"));
  const fetched got = get(server.url("/"));
  ASSERT_TRUE(got.body_failed);
  EXPECT_EQ(got.body_failed->kind, error_kind::broken);
}

TEST_F(ClientTest, TellsTrailersBehindTheirBody) {
  raw_origin server(once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Head: 1\r\n\r\n"
                         "5\r\nhello\r\n0\r\nX-Sum: 5\r\nX-Last: a\r\n\r\n"));
  const fetched got = get(server.url("/"));
  ASSERT_FALSE(got.body_failed);
  EXPECT_EQ(got.body, "hello");
  EXPECT_EQ(got.trailers.size(), 2u);
  EXPECT_EQ(got.trailers.get("x-sum"), "5");
  EXPECT_EQ(got.trailers.get("x-last"), "a");
  EXPECT_FALSE(got.fields.has("x-sum"));
}

TEST_F(ClientTest, TellsBadChunks) {
  raw_origin server(once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"));
  const fetched got = get(server.url("/"));
  ASSERT_TRUE(got.body_failed);
  EXPECT_EQ(got.body_failed->kind, error_kind::broken);
}

TEST_F(ClientTest, TellsResets) {
  testing::gate read;
  raw_origin server([&](raw_connection& peer) {
    if (peer.read_head().empty()) return;
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n1234");
    read.wait();
    peer.reset();
  });
  client_request asked;
  asked.url = server.url("/");
  std::thread opener([&] { read.open(); });
  const fetched got = fetch(std::move(asked));
  opener.join();
  const auto& failure = got.failed ? got.failed : got.body_failed;
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind, error_kind::broken);
}

TEST_F(ClientTest, TellsAnEmptyAnswer) {
  raw_origin server([](raw_connection& peer) { peer.read_head(); });
  const fetched got = get(server.url("/"));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::broken);
  EXPECT_TRUE(got.failed->retryable);
}

TEST_F(ClientTest, RefusesWhatIsNotHttp) {
  for (const char* raw : {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 abc\r\n\r\n", "<html></html>",
                          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
                          "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n12345",
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"}) {
    raw_origin server(once(raw));
    const fetched got = get(server.url("/"));
    ASSERT_TRUE(got.failed) << raw;
    EXPECT_EQ(got.failed->kind, error_kind::broken) << raw << " " << got.failed->message();
  }
}

TEST_F(ClientTest, LimitsHeads) {
  client_settings settings = testing::test_settings();
  settings.limits.header_bytes = 4096;
  use(settings);
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 200; ++i)
    many += "X-Field-" + std::to_string(i) + ": 0123456789012345678901234567890123456789\r\n";
  raw_origin server(once(many + "Content-Length: 0\r\n\r\n"));
  const fetched got = get(server.url("/"));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::broken);
  EXPECT_THAT(got.failed->context, HasSubstr("4096 bytes"));
}

TEST_F(ClientTest, TellsARefusedConnection) {
  std::uint16_t port = 0;
  {
    raw_origin gone([](raw_connection&) {});
    port = gone.port();
  }
  const fetched got = get("http://127.0.0.1:" + std::to_string(port) + "/");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::unreachable);
  EXPECT_TRUE(got.failed->retryable);
}

// Deadlines.

/// A listening socket whose queue is full: the kernel drops further connection attempts.
class deaf_port {
public:
  deaf_port() {
    listening_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    EXPECT_EQ(::bind(listening_, reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::listen(listening_, 0), 0);
    ::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size);
    port = ntohs(at.sin_port);
    for (int& each : waiting_) {
      each = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
      ::connect(each, reinterpret_cast<sockaddr*>(&at), size);
    }
  }
  ~deaf_port() {
    for (int each : waiting_) ::close(each);
    ::close(listening_);
  }
  std::uint16_t port = 0;

private:
  int listening_;
  int waiting_[4];
};

TEST_F(ClientTest, TimesOutConnecting) {
  client_settings settings = testing::test_settings();
  settings.limits.connect_timeout = std::chrono::milliseconds(300);
  use(settings);
  deaf_port deaf;
  const fetched got = get("http://127.0.0.1:" + std::to_string(deaf.port) + "/");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::timeout) << got.failed->message();
  EXPECT_THAT(got.failed->context, HasSubstr("no connection within 300 ms"));
}

TEST_F(ClientTest, TimesOutWaitingForTheFirstByte) {
  client_settings settings = testing::test_settings();
  settings.limits.first_byte_timeout = std::chrono::milliseconds(200);
  use(settings);
  raw_origin server([](raw_connection& peer) { peer.wait_closed(); });
  const fetched got = get(server.url("/"));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::timeout);
  EXPECT_THAT(got.failed->context, HasSubstr("no first byte within 200 ms"));
}

TEST_F(ClientTest, TheDeadlineOfTheRequestComesFirst) {
  raw_origin server([](raw_connection& peer) { peer.wait_closed(); });
  client_request asked;
  asked.url = server.url("/");
  const fetched got = fetch(std::move(asked), 1024, std::chrono::milliseconds(150));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::timeout);
  EXPECT_THAT(got.failed->context, HasSubstr("deadline"));
}

TEST_F(ClientTest, TellsStalledBodies) {
  client_settings settings = testing::test_settings();
  settings.limits.stall_timeout = std::chrono::milliseconds(200);
  use(settings);
  testing::gate closed;
  raw_origin server([&](raw_connection& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123");
    peer.wait_closed();
    closed.open();
  });
  const fetched got = get(server.url("/"));
  EXPECT_EQ(got.body, "123");
  ASSERT_TRUE(got.body_failed);
  EXPECT_EQ(got.body_failed->kind, error_kind::timeout);
  EXPECT_TRUE(closed.wait()) << "a stalled transfer must give its connection up";
}

// Policy.

TEST_F(ClientTest, RefusesPrivateAddressesInEverySpelling) {
  client_settings settings = testing::test_settings();
  settings.addresses.allowed.clear();
  use(settings);
  raw_origin server([](raw_connection& peer) {
    while (!peer.read_head().empty()) peer.answer("200 OK", "", "secret");
  });
  const std::string port = std::to_string(server.port());
  for (const char* host : {"127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "localhost", "LOCALHOST",
                           "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "0"}) {
    const fetched got = get("http://" + std::string(host) + ":" + port + "/");
    ASSERT_TRUE(got.failed) << host;
    EXPECT_EQ(got.failed->kind, error_kind::forbidden) << host << ": " << got.failed->message();
    EXPECT_THAT(got.failed->context, HasSubstr("network.allow_private")) << host;
  }
  EXPECT_EQ(server.connections(), 0u);
  client_request exempt;
  exempt.url = server.url("/");
  exempt.policy_applies = false;
  EXPECT_EQ(fetch(std::move(exempt)).body, "secret");
}

TEST_F(ClientTest, ResolvesAndPinsNames) {
  raw_origin server([](raw_connection& peer) {
    while (!peer.read_head().empty()) peer.answer("200 OK", "", "named");
  });
  const fetched got = get("http://localhost:" + std::to_string(server.port()) + "/");
  ASSERT_FALSE(got.failed) << got.failed->message();
  EXPECT_EQ(got.body, "named");
}

TEST_F(ClientTest, RefusesOddUrls) {
  for (const char* url :
       {"", "/relative", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://user:pw@127.0.0.1/",
        "http://127.0.0.1:99999/", "http://[fe80::1%25lo]/", "http://h\xc3\xb6st/", "http://a b/"}) {
    const fetched got = get(url);
    ASSERT_TRUE(got.failed) << url;
    EXPECT_EQ(got.failed->kind, error_kind::invalid_input) << url << ": " << got.failed->message();
  }
}

TEST_F(ClientTest, UsesTheConfiguredProxyAndNoOther) {
  ::setenv("http_proxy", "http://127.0.0.1:1/", 1);
  std::string head;
  raw_origin proxy([&](raw_connection& peer) {
    head = peer.read_head();
    peer.answer("200 OK", "", "by proxy");
  });
  raw_origin direct([](raw_connection& peer) {
    peer.read_head();
    peer.answer("200 OK", "", "direct");
  });
  EXPECT_EQ(get(direct.url("/")).body, "direct") << "the environment's proxy must not count";
  client_settings settings = testing::test_settings();
  settings.addresses.allowed.clear();
  settings.proxy = proxy.url("");
  use(settings);
  const fetched got = get("http://data.example.org/x");
  ::unsetenv("http_proxy");
  ASSERT_FALSE(got.failed) << got.failed->message();
  EXPECT_EQ(got.body, "by proxy");
  EXPECT_THAT(head, HasSubstr("GET http://data.example.org/x HTTP/1.1\r\n"));
  client_request past_it;
  past_it.url = direct.url("/");
  past_it.direct = true;
  past_it.policy_applies = false;
  EXPECT_EQ(fetch(std::move(past_it)).body, "direct");
  for (const char* inside :
       {"http://10.0.0.1/", "http://localhost/", "http://metadata.google.internal/", "http://0x7f.1/"}) {
    const fetched refused = get(inside);
    ASSERT_TRUE(refused.failed) << inside;
    EXPECT_EQ(refused.failed->kind, error_kind::forbidden) << inside;
  }
}

// The end of a loop.

/// Keeps a response that nobody reads until the loop is destroyed around it.
net::task<void> park(std::string url, std::size_t bytes, testing::gate* reached) {
  client_request asked;
  asked.url = std::move(url);
  if (bytes == 0) reached->open();
  auto answer = co_await client::current().send(std::move(asked), net::deadline::after(std::chrono::seconds(60)));
  if (!answer) co_return;
  std::vector<std::byte> room(1 << 20);
  for (std::size_t seen = 0;;) {
    auto got = co_await answer->body->read_some(room);
    if (!got || *got == 0) co_return;
    seen += *got;
    if (seen >= bytes) reached->open();
  }
}

TEST_F(ClientTest, LoopsEndAroundWaitingTransfers) {
  raw_origin silent([](raw_connection& peer) { peer.wait_closed(); });
  raw_origin stalling([](raw_connection& peer) {
    peer.read_head();
    peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123");
    peer.wait_closed();
  });
  deaf_port deaf;
  testing::gate first, second, third, fourth;
  loop().spawn(park(silent.url("/"), 0, &first));
  loop().spawn(park(stalling.url("/"), 3, &second));
  loop().spawn(park("http://127.0.0.1:" + std::to_string(deaf.port) + "/", 0, &third));
  loop().spawn(park("http://name-that-waits.invalid:80/", 0, &fourth));
  for (testing::gate* each : {&first, &second, &third, &fourth}) ASSERT_TRUE(each->wait());
  end(); // ASan tells whether anything dangled or leaked
}

} // namespace
} // namespace forebay::http
