#include "http/parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace forebay::http {
namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

/// The status a whole request is refused with; 0 when its head is taken, 1 when more is awaited.
unsigned outcome(std::string_view text, const server_limits& limits = {}) {
  request_parser parser(limits);
  while (!text.empty()) {
    const auto taken = parser.feed(bytes(text));
    if (!taken) {
      EXPECT_EQ(taken.error().kind, error_kind::invalid_input);
      EXPECT_FALSE(taken.error().context.empty());
      EXPECT_FALSE(parser.head_complete());
      return parser.status();
    }
    if (parser.head_complete()) return 0;
    text.remove_prefix(*taken);
  }
  return 1;
}

std::string with(std::string_view fields, std::string_view line = "GET / HTTP/1.1") {
  return fmt::format("{}\r\nHost: a\r\n{}\r\n", line, fields);
}

TEST(parser, takes_a_request_apart) {
  request_parser parser{{}};
  const std::string text =
      "GET /a%20b/\xc3\xa9?q=1 HTTP/1.1\r\nHost: Example.org\r\nRange:bytes=0-1  \r\nX:\r\n\r\nrest";
  const auto taken = parser.feed(bytes(text));
  ASSERT_TRUE(taken);
  EXPECT_EQ(*taken, text.size() - 4);
  ASSERT_TRUE(parser.head_complete());
  const request_head& head = parser.head();
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/a%20b/\xc3\xa9?q=1");
  EXPECT_EQ(head.version, 11u);
  EXPECT_EQ(head.fields.size(), 3u);
  EXPECT_EQ(head.fields.get("host"), "Example.org");
  EXPECT_EQ(head.fields.get("range"), "bytes=0-1");
  EXPECT_EQ(head.fields.get("x"), "");
  EXPECT_TRUE(parser.keep_alive());
  EXPECT_FALSE(parser.expects_continue());
  EXPECT_FALSE(parser.framing().chunked);
  EXPECT_EQ(parser.framing().length_bytes, 0u);
}

TEST(parser, any_split_gives_the_same_requests) {
  const std::string text = "GET /1 HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    request_parser parser{{}};
    std::vector<std::string> targets;
    for (std::string_view piece : {std::string_view(text).substr(0, cut), std::string_view(text).substr(cut)}) {
      while (!piece.empty()) {
        const auto taken = parser.feed(bytes(piece));
        ASSERT_TRUE(taken) << cut;
        piece.remove_prefix(*taken);
        if (!parser.head_complete()) continue;
        targets.push_back(parser.head().target);
        parser.reset();
      }
    }
    EXPECT_EQ(targets, (std::vector<std::string>{"/1", "/2"})) << cut;
  }
}

TEST(parser, one_byte_at_a_time) {
  request_parser parser{{}};
  const std::string text = with("Content-Length: 5\r\n", "PUT / HTTP/1.1");
  for (const char& c : text) ASSERT_EQ(parser.feed(bytes({&c, 1})), 1u);
  EXPECT_TRUE(parser.head_complete());
  EXPECT_EQ(parser.framing().length_bytes, 5u);
}

TEST(parser, reset_forgets_everything) {
  request_parser parser{{}};
  ASSERT_TRUE(parser.feed(bytes(with("Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n", "PUT / HTTP/1.1"))));
  EXPECT_TRUE(parser.framing().chunked);
  EXPECT_TRUE(parser.expects_continue());
  parser.reset();
  EXPECT_FALSE(parser.head_complete());
  ASSERT_TRUE(parser.feed(bytes("GET / HTTP/1.0\r\n\r\n")));
  ASSERT_TRUE(parser.head_complete());
  EXPECT_FALSE(parser.framing().chunked);
  EXPECT_FALSE(parser.expects_continue());
  EXPECT_FALSE(parser.keep_alive());
  EXPECT_EQ(parser.head().fields.size(), 0u);
}

TEST(parser, versions) {
  EXPECT_EQ(outcome("GET / HTTP/1.0\r\n\r\n"), 0u);
  EXPECT_EQ(outcome(with("", "GET / HTTP/1.2")), 0u); // read as 1.1
  EXPECT_EQ(outcome(with("", "GET / HTTP/2.0")), 505u);
  EXPECT_EQ(outcome("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505u);
  EXPECT_EQ(outcome(with("", "GET / HTTP/0.9")), 505u);
  for (const char* line :
       {"GET /", "GET / ", "GET / HTTP/1", "GET / HTTP/1.", "GET / HTTP/1.10", "GET / HTTP/11.1", "GET / http/1.1",
        "GET / HTTPS/1.1", "GET / HTTP/1,1", "GET / HTTP/1.1 ", "GET / XHTTP/1.1", "GET /HTTP/1.1", "GET / HTTP /1.1"})
    EXPECT_EQ(outcome(with("", line)), 400u) << line;
}

TEST(parser, request_lines) {
  for (const char* line :
       {"GET  / HTTP/1.1", "GET /  HTTP/1.1", "GET\t/ HTTP/1.1", "GET /\tHTTP/1.1", " GET / HTTP/1.1", "G@T / HTTP/1.1",
        "GET: / HTTP/1.1", "GET /a b HTTP/1.1", "/ HTTP/1.1", "GET HTTP/1.1", "\"GET\" / HTTP/1.1"})
    EXPECT_EQ(outcome(with("", line)), 400u) << line;
  EXPECT_EQ(outcome(with("", "get / HTTP/1.1")), 0u); // another method, not a misspelt one
  EXPECT_EQ(outcome(with("", std::string(40, 'M') + " / HTTP/1.1")), 501u);
  EXPECT_EQ(outcome("\r\n\r\n" + with("")), 0u);
  EXPECT_EQ(outcome("\r\n\r\n\r\n\r\n\r\n" + with("")), 400u);
}

TEST(parser, line_ends) {
  EXPECT_EQ(outcome("GET / HTTP/1.1\nHost: a\n\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400u);
  EXPECT_EQ(outcome("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a\r\n"), 1u);
}

TEST(parser, folded_lines_and_names) {
  EXPECT_EQ(outcome(with("X: a\r\n b\r\n")), 400u);
  EXPECT_EQ(outcome(with("X:\r\n\tb\r\n")), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400u);
  for (const char* line :
       {"X : a", "X\t: a", ": a", "X", "X Y: a", "X[]: a", "X\xc3\xa9: a", "(X): a", "X@: a", "\"X\": a"})
    EXPECT_EQ(outcome(with(std::string(line) + "\r\n")), 400u) << line;
  EXPECT_EQ(outcome(with("x!#$%&'*+-.^_`|~9: a\r\n")), 0u);
}

TEST(parser, control_characters) {
  for (int c = 0; c < 256; ++c) {
    const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
    const std::string value = with(fmt::format("X: a{}b\r\n", std::string(1, static_cast<char>(c))));
    EXPECT_EQ(outcome(value), control ? 400u : 0u) << c;
    const std::string target = with("", fmt::format("GET /{} HTTP/1.1", std::string(1, static_cast<char>(c))));
    EXPECT_EQ(outcome(target), (control || c == '\t' || c == '#') ? 400u : (c == ' ' ? 400u : 0u)) << c;
  }
}

TEST(parser, hosts) {
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.0\r\n\r\n"), 0u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 0u);
}

TEST(parser, absolute_targets_agree_with_host) {
  EXPECT_EQ(outcome(with("", "GET http://a/x HTTP/1.1")), 0u);
  EXPECT_EQ(outcome(with("", "GET HTTP://A:80/x HTTP/1.1")), 0u);
  EXPECT_EQ(outcome(with("", "GET https://a:443/x HTTP/1.1")), 0u);
  EXPECT_EQ(outcome(with("", "GET http://b/x HTTP/1.1")), 400u);
  EXPECT_EQ(outcome(with("", "GET http://a:81/x HTTP/1.1")), 400u);
  EXPECT_EQ(outcome(with("", "GET http://a@b/x HTTP/1.1")), 400u);
  EXPECT_EQ(outcome(with("", "GET ftp://a/x HTTP/1.1")), 400u);
  EXPECT_EQ(outcome(with("", "GET a HTTP/1.1")), 400u);
  EXPECT_EQ(outcome(with("", "GET * HTTP/1.1")), 400u);
  EXPECT_EQ(outcome(with("", "OPTIONS * HTTP/1.1")), 0u);
  EXPECT_EQ(outcome(with("", "GET /a#b HTTP/1.1")), 400u);
  EXPECT_EQ(outcome("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), 0u);
}

TEST(parser, lengths) {
  EXPECT_EQ(outcome(with("Content-Length: 0\r\n")), 0u);
  EXPECT_EQ(outcome(with("Content-Length: 00012\r\n")), 0u);
  for (const char* value : {"", "+1", "-1", "1x", "x", "0x1", "1,1", "1, 2", "1 1", "1.0", "18446744073709551616",
                            "99999999999999999999999", ",1", "1,"})
    EXPECT_EQ(outcome(with(fmt::format("Content-Length: {}\r\n", value))), 400u) << value;
  EXPECT_EQ(outcome(with("Content-Length: 1\r\nContent-Length: 2\r\n")), 400u);
  EXPECT_EQ(outcome(with("Content-Length: 1\r\nContent-Length: 1\r\n")), 400u);
  server_limits small;
  small.body_bytes = 10;
  EXPECT_EQ(outcome(with("Content-Length: 10\r\n"), small), 0u);
  EXPECT_EQ(outcome(with("Content-Length: 11\r\n"), small), 413u);
}

TEST(parser, transfer_codings) {
  EXPECT_EQ(outcome(with("Transfer-Encoding: chunked\r\n")), 0u);
  EXPECT_EQ(outcome(with("Transfer-Encoding:\tCHUNKED \r\n")), 0u);
  EXPECT_EQ(outcome(with("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n")), 400u);
  EXPECT_EQ(outcome(with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")), 400u);
  EXPECT_EQ(outcome(with("Content-Length: 1\r\nTransfer-Encoding: gzip\r\n")), 400u);
  EXPECT_EQ(outcome(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n")), 400u);
  EXPECT_EQ(outcome(with("Transfer-Encoding: chunked, chunked\r\n")), 400u);
  EXPECT_EQ(outcome(with("Transfer-Encoding: chunked, gzip\r\n")), 400u);
  EXPECT_EQ(outcome(with("Transfer-Encoding: gzip, chunked\r\n")), 501u);
  EXPECT_EQ(outcome(with("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n")), 501u);
  for (const char* value : {"identity", "xchunked", "chunkedx", "chunked;q=1", "\"chunked\"", "", "gzip"})
    EXPECT_EQ(outcome(with(fmt::format("Transfer-Encoding: {}\r\n", value))), 501u) << value;
  EXPECT_EQ(outcome("PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 400u);
  EXPECT_EQ(outcome(with("Transfer-Encoding : chunked\r\n")), 400u);
  EXPECT_EQ(outcome(with("Transfer-Encoding: chunk\r\n ed\r\n")), 400u);
}

TEST(parser, limits) {
  server_limits limits;
  limits.header_bytes = 256;
  limits.target_bytes = 64;
  limits.header_fields = 4;
  const auto target = [](std::size_t length) { return with("", "GET /" + std::string(length - 1, 'x') + " HTTP/1.1"); };
  EXPECT_EQ(outcome(target(64), limits), 0u);
  EXPECT_EQ(outcome(target(65), limits), 414u);
  EXPECT_EQ(outcome("GET /" + std::string(100'000, 'x'), limits), 414u); // no end in sight
  const std::string base = with("");
  EXPECT_EQ(outcome(with("X: " + std::string(256 - base.size() - 5, 'x') + "\r\n"), limits), 0u);
  EXPECT_EQ(outcome(with("X: " + std::string(256 - base.size() - 4, 'x') + "\r\n"), limits), 431u);
  EXPECT_EQ(outcome("GET / HTTP/1.1\r\nX: " + std::string(100'000, 'x'), limits), 431u);
  EXPECT_EQ(outcome(with("X: 1\r\nX: 2\r\nX: 3\r\n"), limits), 0u);
  EXPECT_EQ(outcome(with("X: 1\r\nX: 2\r\nX: 3\r\nX: 4\r\n"), limits), 431u);
}

TEST(parser, keep_alive_and_expectations) {
  const auto keeps = [](const std::string& text) {
    request_parser parser{{}};
    EXPECT_TRUE(parser.feed(bytes(text)));
    EXPECT_TRUE(parser.head_complete());
    return parser.keep_alive();
  };
  EXPECT_TRUE(keeps(with("")));
  EXPECT_FALSE(keeps(with("Connection: foo, Close\r\n")));
  EXPECT_FALSE(keeps(with("Connection: keep-alive\r\nConnection: close\r\n")));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"));
  const auto expects = [](const std::string& text) {
    request_parser parser{{}};
    EXPECT_TRUE(parser.feed(bytes(text)));
    return parser.expects_continue();
  };
  EXPECT_TRUE(expects(with("Expect: 100-Continue\r\nContent-Length: 1\r\n")));
  EXPECT_FALSE(expects(with("Expect: 100-continue\r\n"))); // no body to wait for
  EXPECT_FALSE(expects("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"));
  EXPECT_EQ(outcome(with("Expect: magic\r\n")), 417u);
}

TEST(parser, a_refusal_stays) {
  request_parser parser{{}};
  EXPECT_FALSE(parser.feed(bytes("GET / HTTP/1.1\n")));
  EXPECT_FALSE(parser.feed(bytes(with(""))));
  EXPECT_EQ(parser.status(), 400u);
}

} // namespace
} // namespace forebay::http
