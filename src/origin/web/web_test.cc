#include <gmock/gmock.h>

#include "base/metrics.h"
#include "origin/testing/source_fixture.h"
#include "origin/web/authorization.h"
#include "origin/web/index_page.h"
#include "origin/web/web_source.h"

namespace forebay::origin::web {
namespace {

using ::testing::HasSubstr;
using testing::in_turn;
using ::testing::Not;
using testing::quick_settings;
using testing::raw_answer;
using testing::raw_connection;
using testing::raw_origin;
using testing::seen_heads;

class WebTest : public testing::source_test {};

TEST_F(WebTest, ReadsKeysExactly) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &heads));
  const auto from = open(server.url("/data%20set/"));
  read_request asked;
  asked.key = "t=1/a b+c//ü%/d?e#f";
  asked.query = "x=%2F+1&y= z";
  const auto got = read(from, std::move(asked));
  ASSERT_TRUE(got.answer) << got.failed->message();
  EXPECT_EQ(got.body, "data");
  EXPECT_THAT(heads.last(),
              HasSubstr("GET /data%20set/t=1/a%20b%2Bc//%C3%BC%25/d%3Fe%23f?x=%2F+1&y=%20z HTTP/1.1\r\n"));
}

TEST_F(WebTest, EmptyKeysNameThePrefixItself) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("200 OK", "", "x")}, &heads));
  for (const auto& [base, target] :
       std::vector<std::pair<const char*, const char*>>{{"", "/"}, {"/", "/"}, {"/a", "/a"}, {"/a/", "/a/"}}) {
    read(open(server.url(base)), "");
    EXPECT_THAT(heads.last(), HasSubstr(std::string("GET ") + target + " HTTP/1.1"));
  }
}

TEST_F(WebTest, SendsRangesPinsAndConditions) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("206 Partial Content", "ETag: \"a\"\r\nContent-Range: bytes 2-3/10\r\n", "23"),
                             raw_answer("304 Not Modified", "ETag: \"a\"\r\n", "")},
                            &heads));
  const auto from = open(server.url("/"));
  read_request asked;
  asked.key = "k";
  asked.range = http::range_spec{2, 3};
  asked.pin = {validator_kind::strong_etag, "\"a\""};
  asked.fields.add("Accept", "application/x-netcdf");
  asked.fields.add("Range", "bytes=7-8");
  const auto part = read(from, std::move(asked));
  ASSERT_TRUE(part.answer) << part.failed->message();
  EXPECT_EQ(part.body, "23");
  EXPECT_EQ(part.answer->range, (byte_range{2, 4}));
  EXPECT_THAT(heads.last(), HasSubstr("Range: bytes=2-3\r\n"));
  EXPECT_THAT(heads.last(), Not(HasSubstr("bytes=7-8")));
  EXPECT_THAT(heads.last(), HasSubstr("If-Match: \"a\"\r\n"));
  EXPECT_THAT(heads.last(), HasSubstr("Accept: application/x-netcdf\r\n"));
  read_request again;
  again.key = "k";
  again.if_none_match = "\"a\"";
  again.if_modified_since = "Sun, 06 Nov 1994 08:49:37 GMT";
  const auto same = read(from, std::move(again));
  ASSERT_TRUE(same.answer) << same.failed->message();
  EXPECT_EQ(same.answer->status, 304u);
  EXPECT_EQ(same.answer->body, nullptr);
  EXPECT_THAT(heads.last(), HasSubstr("If-None-Match: \"a\"\r\n"));
  EXPECT_THAT(heads.last(), HasSubstr("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
}

TEST_F(WebTest, AskedForTheHeadThereIsNoBody) {
  seen_heads heads;
  raw_origin server(in_turn({"HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"}, &heads));
  read_request asked;
  asked.head_only = true;
  asked.key = "k";
  const auto got = read(open(server.url("/")), std::move(asked));
  ASSERT_TRUE(got.answer);
  EXPECT_EQ(got.answer->length_bytes, 77u);
  EXPECT_EQ(got.answer->body, nullptr);
  EXPECT_THAT(heads.last(), HasSubstr("HEAD /k HTTP/1.1"));
}

TEST_F(WebTest, ChangedObjectsAndUnsatisfiedRangesAreTold) {
  raw_origin server(in_turn({raw_answer("412 Precondition Failed", "", ""),
                             raw_answer("416 Range Not Satisfiable", "Content-Range: bytes */5\r\n", "")}));
  const auto from = open(server.url("/"));
  read_request pinned;
  pinned.pin = {validator_kind::strong_etag, "\"a\""};
  EXPECT_EQ(read(from, std::move(pinned)).failed->kind, error_kind::changed);
  read_request beyond;
  beyond.range = http::range_spec{10, 20};
  const auto got = read(from, std::move(beyond));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(unsatisfied_length(*got.failed), 5u);
}

// Attempts.

TEST_F(WebTest, TriesAgainWhatMayPass) {
  seen_heads heads;
  raw_origin server(in_turn({"", raw_answer("500 Oops", "", "x"), raw_answer("200 OK", "", "data")}, &heads));
  EXPECT_EQ(read(open(server.url("/")), "k").body, "data");
  EXPECT_EQ(heads.size(), 3u);
}

TEST_F(WebTest, GivesUpAfterItsAttempts) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("502 Bad Gateway", "", "")}, &heads));
  const auto got = read(open(server.url("/")), "k");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::unreachable);
  EXPECT_EQ(heads.size(), 3u);
  read_request once;
  once.may_retry = false;
  read(open(server.url("/")), std::move(once));
  EXPECT_EQ(heads.size(), 4u);
}

TEST_F(WebTest, DoesNotRepeatWhatWillNotPass) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("404 Not Found", "", "")}, &heads));
  EXPECT_EQ(read(open(server.url("/")), "k").failed->kind, error_kind::not_found);
  EXPECT_EQ(heads.size(), 1u);
}

TEST_F(WebTest, HonoursRetryAfterUpToTheDeadline) {
  seen_heads heads;
  raw_origin server(
      in_turn({raw_answer("503 Busy", "Retry-After: 1\r\n", ""), raw_answer("200 OK", "", "data")}, &heads));
  const auto began = std::chrono::steady_clock::now();
  EXPECT_EQ(read(open(server.url("/")), "k").body, "data");
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
  raw_origin busy(in_turn({raw_answer("429 Too Many Requests", "Retry-After: 3600\r\n", "")}));
  const auto got = read(open(busy.url("/")), "k");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::throttled);
  EXPECT_EQ(got.failed->retry_after, std::chrono::seconds(3600));
  EXPECT_EQ(busy.connections(), 1u);
}

TEST_F(WebTest, LeavesADeadOriginAlone) {
  std::uint16_t port = 0;
  {
    raw_origin gone([](raw_connection&) {});
    port = gone.port();
  }
  source_settings settings = quick_settings();
  settings.limits.breaker_failures = 4;
  settings.limits.breaker_open = std::chrono::milliseconds(60'000);
  const std::string url = "http://127.0.0.1:" + std::to_string(port);
  const auto from = open(url, settings);
  EXPECT_EQ(read(from, "k").failed->kind, error_kind::unreachable); // three attempts
  const auto second = read(from, "k");                              // the fourth opens the breaker
  EXPECT_THAT(second.failed->context, HasSubstr("no connection"));
  const auto third = read(from, "k");
  EXPECT_EQ(third.failed->kind, error_kind::unreachable);
  EXPECT_THAT(third.failed->context, HasSubstr("left alone"));
  EXPECT_TRUE(third.failed->retry_after);
  const auto twin = read(open(url + "/", settings), "k");
  EXPECT_THAT(twin.failed->context, HasSubstr("left alone")) << "equal URLs share a breaker";
  EXPECT_THAT(metrics::global().render(), HasSubstr("forebay_origin_breaker_open{origin=\"" + url + "\"} 1"));
}

/// A read that counts when it is over, for readers on other threads.
net::task<void> counted_read(std::shared_ptr<source> from, testing::outcome* out, std::atomic<int>* done) {
  co_await testing::read_task(std::move(from), std::make_shared<read_request>(), out);
  ++*done;
}

TEST_F(WebTest, LimitsExchangesOfOneOrigin) {
  http::testing::gate go;
  std::atomic<int> now{0}, most{0};
  raw_origin server([&](raw_connection& peer) {
    while (!peer.read_head().empty()) {
      const int mine = ++now;
      for (int seen = most; mine > seen && !most.compare_exchange_weak(seen, mine);) {}
      go.wait();
      --now;
      peer.answer("200 OK", "", "data");
    }
  });
  source_settings settings = quick_settings();
  settings.limits.connections = 2;
  const auto from = open(server.url("/"), settings);
  std::vector<testing::outcome> outs(6);
  std::atomic<int> done{0};
  for (auto& each : outs) loop().spawn(counted_read(from, &each, &done));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (now < 2 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  go.open();
  while (done < 6 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  end(); // nobody writes to `outs` any more
  ASSERT_EQ(done, 6);
  for (const auto& each : outs) EXPECT_EQ(each.body, "data");
  EXPECT_EQ(most, 2);
}

TEST_F(WebTest, WaitsForAFreeConnectionOnlySoLong) {
  raw_origin server([](raw_connection& peer) { peer.wait_closed(); });
  source_settings settings = quick_settings();
  settings.limits.connections = 1;
  const auto from = open(server.url("/"), settings);
  testing::outcome first;
  auto slow = std::make_shared<read_request>();
  slow->may_retry = false;
  slow->until = net::deadline::after(std::chrono::seconds(2));
  loop().spawn(testing::read_task(from, slow, &first));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (server.connections() == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  read_request asked;
  asked.until = net::deadline::after(std::chrono::milliseconds(100));
  const auto got = read(from, std::move(asked));
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::exhausted);
  end(); // before `first` goes, to which its coroutine writes
}

TEST_F(WebTest, CountsBytesAndAnswers) {
  raw_origin server(in_turn({raw_answer("200 OK", "", "12345"), raw_answer("404 Not Found", "", "gone")}));
  const std::string url = server.url("");
  const auto from = open(url);
  read(from, "a");
  read(from, "b");
  const std::string text = metrics::global().render();
  EXPECT_THAT(text, HasSubstr("forebay_origin_bytes_total{origin=\"" + url + "\"} 9"));
  EXPECT_THAT(text, HasSubstr("forebay_origin_requests_total{origin=\"" + url + "\",status=\"200\"} 1"));
  EXPECT_THAT(text, HasSubstr("forebay_origin_requests_total{origin=\"" + url + "\",status=\"404\"} 1"));
  EXPECT_THAT(text, HasSubstr("forebay_origin_errors_total{origin=\"" + url + "\",kind=\"not_found\"} 1"));
}

// Redirects.

TEST_F(WebTest, FollowsRedirects) {
  seen_heads heads;
  raw_origin server(in_turn(
      {raw_answer("302 Found", "Location: ../other%20place/x?y#frag\r\n", "moved"), raw_answer("200 OK", "", "data")},
      &heads));
  read_request asked;
  asked.key = "a/b";
  asked.range = http::range_spec{0, std::nullopt};
  EXPECT_EQ(read(open(server.url("/p")), std::move(asked)).body, "data");
  EXPECT_THAT(heads.last(), HasSubstr("GET /p/other%20place/x?y HTTP/1.1\r\n"));
  EXPECT_THAT(heads.last(), HasSubstr("Range: bytes=0-\r\n"));
  EXPECT_EQ(server.connections(), 1u);
}

TEST_F(WebTest, RedirectsAreBounded) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("301 Moved", "Location: /again\r\n", "")}, &heads));
  const auto got = read(open(server.url("/")), "k");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::broken);
  EXPECT_THAT(got.failed->context, HasSubstr("more than 5 times"));
}

TEST_F(WebTest, RedirectsMustBeHttp) {
  raw_origin server(in_turn({raw_answer("302 Found", "Location: file:///etc/passwd\r\n", "")}));
  const auto got = read(open(server.url("/")), "k");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::broken);
}

TEST_F(WebTest, CredentialsStayWithTheirHost) {
  seen_heads at_home, away;
  raw_origin other(in_turn({raw_answer("200 OK", "", "data")}, &away));
  raw_origin server(in_turn({raw_answer("302 Found", "Location: " + other.url("/x") + "\r\n", "")}, &at_home));
  source_settings settings = quick_settings();
  settings.credentials.push_back({"me", "", "", "", "user", "pass:word", ""});
  const auto from = open(server.url("/?credentials=me"), settings);
  EXPECT_EQ(read(from, "k").body, "data");
  EXPECT_THAT(at_home.last(), HasSubstr("Authorization: Basic dXNlcjpwYXNzOndvcmQ=\r\n"));
  EXPECT_THAT(away.last(), Not(HasSubstr("Authorization")));
  EXPECT_EQ(from->identify("k", "").scope.find("pass"), std::string::npos);
  EXPECT_NE(from->identify("k", "").scope, "anonymous");
}

TEST_F(WebTest, ARedirectToAnotherHostIsCheckedAgain) {
  http::client_settings strict = http::testing::test_settings();
  strict.addresses.allowed.clear();
  use(strict);
  raw_origin other(in_turn({raw_answer("200 OK", "", "secret")}));
  raw_origin server(in_turn({raw_answer("302 Found", "Location: " + other.url("/x") + "\r\n", "")}));
  const auto got = read(open(server.url("/")), "k");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::forbidden) << "only the host that the operator named is exempt";
  EXPECT_EQ(other.connections(), 0u);
  source_settings readers = quick_settings();
  readers.operator_named = false;
  EXPECT_EQ(read(open(server.url("/"), readers), "k").failed->kind, error_kind::forbidden);
}

// Writing.

TEST_F(WebTest, PassesWritesAndTheirErrorsOn) {
  std::string head, body;
  raw_origin server([&](raw_connection& peer) {
    head = peer.read_head();
    body = peer.read_chunked();
    peer.answer("507 Insufficient Storage", "", "full");
  });
  write_request asked;
  asked.method = "PUT";
  asked.key = "new";
  asked.body = http::make_body("hello");
  const auto got = write(open(server.url("/w")), std::move(asked));
  EXPECT_EQ(got.status, 507u);
  EXPECT_EQ(got.body, "full");
  EXPECT_EQ(body, "hello");
  EXPECT_THAT(head, HasSubstr("PUT /w/new HTTP/1.1"));
}

// URLs of operators.

TEST(WebUrl, MistakesAreExplained) {
  source_settings settings;
  settings.credentials.push_back({"keys", "id", "secret", "", "", "", ""});
  for (const char* url : {"", "example.org", "ftp://example.org/", "https://", "https://user:pw@example.org/",
                          "https://example.org/?token=x", "https://example.org/?credentials=none",
                          "https://example.org/?credentials=keys", "https://example.org/?credentials="}) {
    const auto made = make_source(url, settings);
    ASSERT_FALSE(made) << url;
    EXPECT_EQ(made.error().kind, error_kind::invalid_input) << url;
    EXPECT_THAT(made.error().message(), Not(HasSubstr("pw"))) << "no secret in a message";
  }
}

TEST(WebUrl, NamesAndIdentitiesAreCanonical) {
  const auto made = make_source("HTTPS://Data.Example.org:443/a%20b/", {});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ((*made)->name(), "https://data.example.org/a%20b");
  const identity is = (*made)->identify("k y", "q=1");
  EXPECT_EQ(is.endpoint, "https://data.example.org:443");
  EXPECT_EQ(is.key, "/a%20b/k%20y?q=1");
  EXPECT_EQ(is.scope, "anonymous");
}

// Index pages.

TEST(IndexPage, Nginx) {
  const auto found = parse_index_page(
      "<html>\r\n<head><title>Index of /data/</title></head>\r\n<body>\r\n<h1>Index of /data/</h1><hr><pre><a "
      "href=\"../\">../</a>\r\n"
      "<a href=\"sub/\">sub/</a>                19-Aug-2024 10:00                   -\r\n"
      "<a href=\"a%20b%2Bc.nc\">a b+c.nc</a>     19-Aug-2024 10:01          5368709121\r\n</pre></body></html>",
      "http://h/data/");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].key, "sub/");
  EXPECT_TRUE((*found)[0].directory);
  EXPECT_EQ((*found)[1].key, "a b+c.nc");
  EXPECT_EQ((*found)[1].length_bytes, 5368709121u);
}

TEST(IndexPage, Apache) {
  const auto found = parse_index_page(
      "<html><head><title>Index of /d</title></head><body><h1>Index of /d</h1><table>"
      "<tr><th><a href=\"?C=N;O=D\">Name</a></th><th><a href=\"?C=M;O=A\">Last modified</a></th></tr>"
      "<tr><td><a href=\"/\">Parent Directory</a></td></tr>"
      "<tr><td><img src=\"f.gif\"></td><td><a href=\"x&amp;y.nc\">x&amp;y.nc</a></td><td align=\"right\">2024-01-01 "
      "10:00  </td><td align=\"right\">1.2K</td><td>version 2</td></tr>"
      "<tr><td><a href=\"small.txt\"><img src=\"f.gif\"></a></td><td><a href=\"small.txt\">small.txt</a></td><td "
      "align=\"right\">2024-01-01 10:00  </td><td align=\"right\">512 </td></tr>"
      "</table></body></html>",
      "https://h:8443/d/");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].key, "x&y.nc");
  EXPECT_FALSE((*found)[0].length_bytes) << "1.2K is no length";
  EXPECT_EQ((*found)[1].key, "small.txt");
  EXPECT_EQ((*found)[1].length_bytes, 512u);
}

TEST(IndexPage, PythonAndCaddy) {
  const auto python =
      parse_index_page("<title>Directory listing for /p/</title><ul><li><a href=\"a%3Ab.nc\">a:b.nc</a></li>"
                       "<li><a href=\"d/\">d/</a></li></ul>",
                       "http://h/p/");
  ASSERT_TRUE(python);
  ASSERT_EQ(python->size(), 2u);
  EXPECT_EQ((*python)[0].key, "a:b.nc");
  const auto caddy = parse_index_page(
      "<a href=\"..\">Up</a><tr><td><a href='./x.zarr/'>x.zarr</a></td><td data-order=\"-1\">&mdash;</td></tr>"
      "<tr><td><a href=\"./y.nc\">y</a></td><td data-order=\"42\">42 B</td></tr>"
      "Served with <a rel=\"noopener\" href=\"https://caddyserver.com\">Caddy</a>",
      "http://h/p/");
  ASSERT_TRUE(caddy);
  ASSERT_EQ(caddy->size(), 2u);
  EXPECT_EQ((*caddy)[0].key, "x.zarr/");
  EXPECT_EQ((*caddy)[1].length_bytes, 42u);
}

TEST(IndexPage, LinksElsewhereAreNoEntries) {
  const auto found = parse_index_page(
      "<title>Index of /d/</title><a href=\"http://evil/d/x\">x</a><a href=\"//evil/d/y\">y</a>"
      "<a href=\"/other/z\">z</a><a href=\"/d/w\">w</a><a href=\"deep/er\">v</a><a href=\"..%2Fup\">u</a>"
      "<a href=\"%2e%2e\">t</a><a href=\"javascript:x()\">s</a><a href=\"nul%00\">n</a><a>r</a><a href=",
      "http://h/d/");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ((*found)[0].key, "w");
}

TEST(IndexPage, OtherPagesAreNone) {
  EXPECT_FALSE(parse_index_page("<html><title>Welcome</title><a href=\"x\">x</a></html>", "http://h/"));
  EXPECT_FALSE(parse_index_page("", "http://h/"));
}

TEST_F(WebTest, ListsThroughIndexPages) {
  seen_heads heads;
  const std::string html = "Content-Type: text/html; charset=utf-8\r\n";
  raw_origin server(
      in_turn({raw_answer("301 Moved", "Location: /p/\r\n", ""),
               raw_answer("200 OK", html, "<title>Index of /p/</title><a href=\"d/\">d</a><a href=\"f\">f</a>"),
               raw_answer("200 OK", html, "<title>Index of /p/d/</title><a href=\"g%20h\">g</a>")},
              &heads));
  list_request asked;
  asked.recursive = true;
  const auto found = list(open(server.url("/p")), std::move(asked));
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found->entries.size(), 2u);
  EXPECT_EQ(found->entries[0].key, "d/g h");
  EXPECT_EQ(found->entries[1].key, "f");
  EXPECT_THAT(heads.last(), HasSubstr("GET /p/d/ HTTP/1.1"));
}

TEST_F(WebTest, WhatListsNothingIsUnsupported) {
  raw_origin server(
      in_turn({raw_answer("200 OK", "Content-Type: text/html\r\n", "<title>Welcome</title>"),
               raw_answer("200 OK", "Content-Type: application/json\r\n", "{}"), raw_answer("404 Not Found", "", "")}));
  const auto from = open(server.url("/"));
  EXPECT_EQ(list(from, {}).error().kind, error_kind::unsupported);
  EXPECT_EQ(list(from, {}).error().kind, error_kind::unsupported);
  EXPECT_EQ(list(from, {}).error().kind, error_kind::not_found);
}

} // namespace
} // namespace forebay::origin::web
