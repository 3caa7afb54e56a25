#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "origin/testing/source_fixture.h"
#include "origin/web/cookie_jar.h"
#include "origin/web/netrc.h"
#include "origin/web/options.h"
#include "origin/web/thredds_catalog.h"

namespace forebay::origin::web {
namespace {

using ::testing::HasSubstr;
using testing::in_turn;
using ::testing::Not;
using testing::raw_answer;
using testing::raw_connection;
using testing::raw_origin;
using testing::seen_heads;

TEST(Netrc, ReadsMachinesAndNothingElse) {
  const auto found = parse_netrc("# comment\nmachine URS.example.org\n  login me\n  password \"p \\\"w\"\n"
                                 "macdef init\nmachine evil login x password y\n\n"
                                 "machine b login user account z password pw machine b login second password x\n"
                                 "machine nologin password x\n"
                                 "default login any password any\n");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found.at("urs.example.org").login, "me");
  EXPECT_EQ(found.at("urs.example.org").password, "p \"w");
  EXPECT_EQ(found.at("b").login, "user");
  for (const char* odd : {"", "machine", "machine x login", "\"", "machine \"x", "macdef"}) {
    EXPECT_TRUE(parse_netrc(odd).empty()) << odd;
  }
}

TEST(WebOptions, SayWhatIsExpected) {
  const auto good = parse_options("netrc=true&login=URS.example.org,other:8443");
  ASSERT_TRUE(good) << good.error().message();
  EXPECT_TRUE(good->netrc);
  EXPECT_THAT(good->login, ::testing::ElementsAre("urs.example.org", "other:8443"));
  EXPECT_EQ(parse_options("credentials=a%20b")->credentials, "a b");
  for (const char* bad : {"x=y", "credentials=", "netrc=yes", "login=a/b&netrc=true", "credentials=a&netrc=true",
                          "credentials=%zz", "credentials"}) {
    EXPECT_FALSE(parse_options(bad)) << bad;
  }
  EXPECT_TRUE(parse_options("login=a")->only_login());
  EXPECT_FALSE(parse_options("login=a&netrc=true")->only_login());
}

class CookieTest : public ::testing::Test {
protected:
  void learn(const char* url, const char* field) {
    http::header_table fields;
    fields.add("Set-Cookie", field);
    jar.learn(*http::parse_url(url), fields, now);
  }
  std::string back(const char* url) { return jar.cookies_for(*http::parse_url(url), now); }
  cookie_jar jar;
  wall_time now{std::chrono::seconds(1'700'000'000)};
};

TEST_F(CookieTest, GoBackToTheirHostAlone) {
  learn("https://a.example.org/login/x", "session=1; Path=/; Domain=.example.org; HttpOnly");
  EXPECT_EQ(back("https://a.example.org/data"), "session=1");
  for (const char* url : {"https://b.example.org/", "http://a.example.org/", "https://a.example.org:8443/"}) {
    EXPECT_EQ(back(url), "") << url;
  }
}

TEST_F(CookieTest, PathsTimesAndReplacements) {
  learn("https://a.example.org/login/x", "narrow=1");
  EXPECT_EQ(back("https://a.example.org/data"), "");
  EXPECT_EQ(back("https://a.example.org/login/y"), "narrow=1");
  EXPECT_EQ(back("https://a.example.org/loginx"), "");
  learn("https://a.example.org/login/x", "narrow=2; Max-Age=10");
  EXPECT_EQ(back("https://a.example.org/login/y"), "narrow=2");
  now += std::chrono::seconds(10);
  EXPECT_EQ(back("https://a.example.org/login/y"), "");
  learn("https://a.example.org/", "x=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(back("https://a.example.org/"), "");
  learn("https://a.example.org/", "y=1; Path=/");
  learn("https://a.example.org/", "y=; Path=/; Max-Age=-1");
  EXPECT_EQ(back("https://a.example.org/"), "");
}

TEST_F(CookieTest, AreBounded) {
  for (int i = 0; i < 100; ++i) learn("https://a.example.org/", ("c" + std::to_string(i) + "=1").c_str());
  const std::string held = back("https://a.example.org/");
  EXPECT_EQ(std::count(held.begin(), held.end(), '='), static_cast<long>(cookie_jar::cookies_max));
  for (int i = 0; i < 100; ++i) learn(("https://h" + std::to_string(i) + ".org/").c_str(), "c=1");
  EXPECT_EQ(back("https://h0.org/"), "c=1");
  EXPECT_EQ(back("https://h99.org/"), "");
  learn("https://h0.org/", ("big=" + std::string(cookie_jar::cookie_bytes_max, 'x')).c_str());
  learn("http://h0.org/", "safe=1; Secure");
  EXPECT_EQ(back("https://h0.org/"), "c=1");
}

TEST(Thredds, ReadsACatalogue) {
  EXPECT_EQ(thredds_catalog_url("https://x.org/thredds/fileServer/a/b/"),
            "https://x.org/thredds/catalog/a/b/catalog.xml");
  EXPECT_FALSE(thredds_catalog_url("https://x.org/data/"));
  const auto found = parse_thredds_catalog(R"(<?xml version="1.0"?>
    <catalog xmlns="http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink">
      <service name="all" serviceType="Compound" base=""/>
      <dataset name="b" ID="b">
        <dataset name="x" urlPath="a/b/x y.nc"><dataSize units="bytes">12</dataSize>
          <date type="modified">2026-01-02T03:04:05Z</date></dataset>
        <dataset name="z" urlPath="a/b/z.nc"><dataSize units="Mbytes">1.5</dataSize></dataset>
        <catalogRef xlink:href="sub%20dir/catalog.xml" xlink:title="sub dir" name=""/>
        <catalogRef xlink:href="../catalog.xml" xlink:title="up"/>
        <catalogRef xlink:href="https://other.org/catalog.xml" xlink:title="elsewhere"/>
      </dataset></catalog>)");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0].key, "x y.nc");
  EXPECT_EQ((*found)[0].length_bytes, 12u);
  EXPECT_TRUE((*found)[0].modified);
  EXPECT_FALSE((*found)[1].length_bytes);
  EXPECT_EQ((*found)[2].key, "sub dir/");
  EXPECT_FALSE(parse_thredds_catalog("<html></html>"));
  EXPECT_FALSE(parse_thredds_catalog("<catalog"));
}

/// The three hosts of an Earthdata read: where the data is named, where one signs in, and where the bytes are.
class LoginTest : public testing::source_test {
protected:
  LoginTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "forebay-netrc-XXXXXX").string();
    netrc_ = ::mkdtemp(pattern.data());
    std::ofstream(netrc_ / "netrc") << "machine 127.0.0.1 login me password netrc-secret\n";
    ::setenv("NETRC", (netrc_ / "netrc").c_str(), 1);
  }
  ~LoginTest() override {
    ::unsetenv("NETRC");
    std::filesystem::remove_all(netrc_);
  }
  using answer = std::function<std::string(const std::string&)>;
  static raw_origin::script script(seen_heads& heads, answer say) {
    return [&heads, say = std::move(say)](raw_connection& peer) {
      for (std::string head = peer.read_head(); !head.empty(); head = peer.read_head()) {
        heads.add(head);
        peer.write(say(head));
      }
    };
  }
  static std::string redirect(const std::string& to, const std::string& fields = "") {
    return raw_answer("302 Found", "Location: " + to + "\r\n" + fields, "");
  }
  /// Data answers with a signed URL to whoever has a session, and sends all others to sign in.
  std::string data_answer(const std::string& head) {
    if (head.starts_with("GET /callback?code=1 ")) return redirect("/d/k", "Set-Cookie: session=s; Path=/\r\n");
    if (head.find("Cookie: session=s") != std::string::npos) return redirect(bytes.url("/k?Signature=topsecret"));
    return redirect(login.url("/authorize?app=x"));
  }
  std::string login_answer(const std::string& head) {
    if (head.find("Authorization: Basic ") == std::string::npos) return raw_answer(refusal, "", "<form>sign in</form>");
    return redirect(data.url("/callback?code=1"), "Set-Cookie: urs=u\r\n");
  }
  std::string host_of(const raw_origin& one) { return one.url("").substr(7); }

  std::filesystem::path netrc_;
  std::string refusal = "200 OK";
  seen_heads at_data, at_login, at_bytes;
  raw_origin bytes{script(at_bytes, [](const std::string&) {
    return raw_answer("200 OK", "ETag: \"v\"\r\nSet-Cookie: x=y\r\nContent-Location: /k?Signature=topsecret\r\n",
                      "data");
  })};
  raw_origin login{script(at_login, [this](const std::string& head) { return login_answer(head); })};
  raw_origin data{script(at_data, [this](const std::string& head) { return data_answer(head); })};
};

TEST_F(LoginTest, SignsInOnceAndFollowsTheSignedUrl) {
  const auto from = open(data.url("/d?netrc=true&login=" + host_of(login)));
  read_request asked;
  asked.key = "k";
  asked.range = http::range_spec{0, 3};
  asked.pin = {validator_kind::strong_etag, "\"v\""};
  const auto got = read(from, std::move(asked));
  ASSERT_TRUE(got.answer) << got.failed->message();
  EXPECT_EQ(got.body, "data");
  EXPECT_FALSE(got.answer->fields.has("Set-Cookie"));
  EXPECT_FALSE(got.answer->fields.has("Content-Location"));
  EXPECT_THAT(at_login.last(), HasSubstr("Authorization: Basic "));
  EXPECT_THAT(at_login.last(), Not(HasSubstr("Range:")));
  EXPECT_THAT(at_login.last(), Not(HasSubstr("If-Match:")));
  EXPECT_THAT(at_bytes.last(), HasSubstr("Range: bytes=0-3"));
  EXPECT_THAT(at_bytes.last(), Not(HasSubstr("Authorization")));
  EXPECT_THAT(at_bytes.last(), Not(HasSubstr("Cookie")));
  read(from, "k");
  EXPECT_EQ(at_login.size(), 1u); // the session lasts
  EXPECT_EQ(from->identify("k", "").key, "/d/k");
  EXPECT_THAT(from->identify("k", "").canonical(), Not(HasSubstr("topsecret")));
}

net::task<void> read_and_tell(std::shared_ptr<source> from, testing::outcome* out, net::event done) {
  auto asked = std::make_shared<read_request>();
  asked->key = "k";
  co_await testing::read_task(std::move(from), std::move(asked), out);
  done.notify();
}

net::task<void> read_together(std::shared_ptr<source> from, std::vector<testing::outcome>* outs) {
  std::vector<net::event> ends(outs->size());
  for (std::size_t i = 0; i < ends.size(); ++i) net::loop::current().spawn(read_and_tell(from, &(*outs)[i], ends[i]));
  for (const net::event& each : ends) co_await each.wait(net::deadline::after(std::chrono::seconds(30)));
}

TEST_F(LoginTest, ReadsThatBeginTogetherSignInOnce) {
  std::vector<testing::outcome> outs(8);
  net::run_blocking(loop(), read_together(open(data.url("/d?netrc=true&login=" + host_of(login))), &outs));
  for (const auto& each : outs) EXPECT_EQ(each.body, "data");
  EXPECT_EQ(at_login.size(), 1u);
}

TEST_F(LoginTest, ALoginThatFailedIsNotTriedAtOnceAgain) {
  auto settings = testing::quick_settings();
  credential_entry entry;
  entry.name = "lab";
  entry.bearer_token = "token"; // the login host of this test wants a password
  settings.credentials.push_back(entry);
  const auto from = open(data.url("/d?credentials=lab&login=" + host_of(login)), settings);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(read(from, "k").failed->kind, error_kind::unauthorised);
  EXPECT_EQ(at_login.size(), 1u);
}

TEST_F(LoginTest, AHeadIsAskedAsSignedUrlsAllow) {
  read_request asked;
  asked.key = "k";
  asked.head_only = true;
  const auto got = read(open(data.url("/d?netrc=true&login=" + host_of(login))), std::move(asked));
  ASSERT_TRUE(got.answer) << got.failed->message();
  EXPECT_THAT(at_bytes.last(), HasSubstr("GET /k?Signature"));
  EXPECT_THAT(at_bytes.last(), HasSubstr("Range: bytes=0-0"));
  EXPECT_EQ(got.answer->status, 200u);
  EXPECT_EQ(got.answer->length_bytes, 4u);
  EXPECT_EQ(got.answer->body, nullptr);
}

TEST_F(LoginTest, APasswordIsShownToTheLoginHostAlone) {
  auto settings = testing::quick_settings();
  credential_entry entry;
  entry.name = "lab";
  entry.username = "me";
  entry.password = "pw";
  settings.credentials.push_back(entry);
  EXPECT_EQ(read(open(data.url("/d?credentials=lab&login=" + host_of(login)), settings), "k").body, "data");
  for (const auto& head : at_data.all()) EXPECT_THAT(head, Not(HasSubstr("Authorization")));
  EXPECT_EQ(at_login.size(), 1u);
}

TEST_F(LoginTest, ABearerTokenIsShownToDataAndLoginHosts) {
  auto settings = testing::quick_settings();
  credential_entry entry;
  entry.name = "lab";
  entry.bearer_token = "token";
  settings.credentials.push_back(entry);
  read(open(data.url("/d?credentials=lab&login=" + host_of(login)), settings), "k");
  EXPECT_THAT(at_data.all()[0], HasSubstr("Authorization: Bearer token"));
  EXPECT_THAT(at_login.last(), HasSubstr("Authorization: Bearer token"));
}

TEST_F(LoginTest, ALoginPageIsNeverTheObject) {
  auto settings = testing::quick_settings();
  credential_entry entry;
  entry.name = "lab";
  entry.bearer_token = "token"; // the login host of this test wants a password
  settings.credentials.push_back(entry);
  for (const char* status : {"200 OK", "401 Unauthorized", "404 Not Found"}) {
    refusal = status;
    const auto got = read(open(data.url("/d?credentials=lab&login=" + host_of(login)), settings), "k");
    ASSERT_TRUE(got.failed) << status;
    EXPECT_EQ(got.failed->kind, error_kind::unauthorised) << status;
  }
}

TEST_F(LoginTest, ALoginHostThatIsNotWellSaysNothingOfTheCredentials) {
  raw_origin busy(script(at_login, [](const std::string&) { return raw_answer("503 Service Unavailable", "", ""); }));
  raw_origin home(script(at_data, [&](const std::string&) { return redirect(busy.url("/authorize")); }));
  const auto to = open(home.url("/d?netrc=true&login=" + host_of(busy)));
  for (int i = 0; i < 2; ++i) {
    const auto got = read(to, "k");
    ASSERT_TRUE(got.failed);
    EXPECT_EQ(got.failed->kind, error_kind::unreachable) << got.failed->message();
    EXPECT_TRUE(got.failed->retryable);
  }
}

TEST_F(LoginTest, CredentialsDoNotFollowToHostsThatAreNotNamed) {
  const auto got = read(open(data.url("/d?netrc=true&login=urs.example.org")), "k");
  EXPECT_THAT(at_login.last(), Not(HasSubstr("Authorization")));
  EXPECT_THAT(at_login.last(), Not(HasSubstr("Cookie")));
}

TEST_F(LoginTest, NetrcIsOfNamedMachines) {
  EXPECT_FALSE(make_source("https://data.example.org/?netrc=true", testing::quick_settings()));
  ::setenv("NETRC", "/nonexistent/netrc", 1);
  const auto none = make_source(data.url("/?netrc=true"), testing::quick_settings());
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().context, HasSubstr("/nonexistent/netrc"));
}

TEST_F(LoginTest, SignedUrlsAreInNoError) {
  seen_heads heads;
  raw_origin broken(in_turn({raw_answer("403 Forbidden", "", "<Error><Code>AccessDenied</Code></Error>"), ""}, &heads));
  for (const std::string& to : {broken.url("/k?Signature=topsecret"), std::string("ftp://x/?Signature=topsecret"),
                                std::string("http://[topsecret/")}) {
    raw_origin home(in_turn({redirect(to)}));
    const auto got = read(open(home.url("/d")), "k");
    ASSERT_TRUE(got.failed);
    EXPECT_THAT(got.failed->message(), Not(HasSubstr("topsecret"))) << to;
  }
}

TEST_F(LoginTest, AThreddsServerIsListed) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("200 OK", "Content-Type: application/xml\r\n",
                                        "<catalog><dataset><dataset name='a' urlPath='p/a.nc'/></dataset></catalog>")},
                            &heads));
  const auto page = list(open(server.url("/thredds/fileServer/p")), {});
  ASSERT_TRUE(page) << page.error().message();
  ASSERT_EQ(page->entries.size(), 1u);
  EXPECT_EQ(page->entries[0].key, "a.nc");
  EXPECT_THAT(heads.last(), HasSubstr("GET /thredds/catalog/p/catalog.xml "));
}

} // namespace
} // namespace forebay::origin::web
