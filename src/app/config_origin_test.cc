#include "app/config_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forebay::app {
namespace {

TEST(config_origin, good_urls_pass) {
  for (const std::string_view url : {"https://data.example.org",
                                     "https://data.example.org/",
                                     "http://127.0.0.1:8000/",
                                     "http://[::1]:8000/x",
                                     "https://x.org/a%20b/c",
                                     "https://x.org/p?credentials=lab",
                                     "s3://era5-pds",
                                     "s3://era5-pds/zarr/",
                                     "s3://box?region=us-east-1&anonymous=true",
                                     "s3://box?endpoint=http://127.0.0.1:9000&style=path",
                                     "s3://box?endpoint=https%3A%2F%2Fs3.example.org%2F&profile=lab",
                                     "s3://box?credentials=lab&style=virtual",
                                     "s3://box?auth=instance&requester_pays=true",
                                     "gs://era5-public",
                                     "gs://era5-public/a%20b?anonymous=true",
                                     "gs://box?credentials=lab&user_project=my-project",
                                     "gs://box?auth=metadata&endpoint=http://127.0.0.1:4443",
                                     "az://account/container",
                                     "az://account/$web/p?credentials=lab",
                                     "az://account/data?auth=managed-identity",
                                     "az://devstoreaccount1/data?endpoint=http://127.0.0.1:10000/devstoreaccount1",
                                     "abfs://data@account.dfs.core.windows.net/p?anonymous=true"}) {
    const auto wrong = check_origin(url);
    EXPECT_FALSE(wrong) << url << ": " << (wrong ? wrong->found + "; " + wrong->expected : "");
  }
}

TEST(config_origin, bad_urls_say_why) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "not a URL"},
      {"data.example.org", "not a URL"},
      {"://x", "not a URL"},
      {"https://", "URL"},
      {"https:///x", "no host"},
      {"https://user:pw@x.org", "[[credentials]]"},
      {"https://@x.org", "[[credentials]]"},
      {"https://x.org:0", "port 0"},
      {"https://x.org:70000", "URL"},
      {"https://x.org:8a", "URL"},
      {"https://x org", "percent-encoded"},
      {"https://x.org/#a", "without '#'"},
      {"https://x.org/%zz", "hexadecimal"},
      {"https://x.org/?a=b", "?credentials=NAME"},
      {"https://x.org/?", "?credentials=NAME"},
      {"https://x.org/?credentials=", "?credentials=NAME"},
      {"https://x.org/?credentials=a&x=y", "?credentials=NAME"},
      {"https://[::1", "URL"},
      {"https://[nonsense]/", "URL"},
      {"s3://", "bucket"},
      {"s3:///key", "bucket"},
      {"s3://Bad_Bucket", "found \"Bad_Bucket\", expected a bucket's name: 3 to 63 lower-case letters"},
      {"s3://Bad!?endpoint=https://x.org", "expected a bucket's name: up to 255 letters"},
      {"s3://box?regoin=x", "region"},
      {"s3://box?anonymous=yes", "true or false"},
      {"s3://box?style=host", "path or virtual"},
      {"s3://box?anonymous=true&profile=x", "one of them"},
      {"s3://box?credentials=a&profile=x", "one of them"},
      {"s3://box?endpoint=s3 .org", "percent-encoded"},
      {"s3://box?endpoint=ftp://x", "http[s]"},
      {"s3://box?endpoint=https%zz", "percent-escape"},
      {"s3://k:pw@box", "[[credentials]]"},
      {"s3://box?auth=magic", "instance, container or web-identity"},
      {"s3://box?auth=instance&anonymous=true", "one of them"},
      {"s3://box?anonymous=true&requester_pays=true", "who pays"},
      {"gs://b", "a bucket's name"},
      {"gs://box?auth=x", "expected metadata"},
      {"gs://box?anonymous=true&credentials=x", "one of them"},
      {"gs://box?anonymus=true", "is it anonymous?"},
      {"gcs://box", "gs://"},
      {"az://account", "the container"},
      {"az://Account/data", "an account's name"},
      {"az://account/data?auth=x", "managed-identity"},
      {"az://account/data?client_id=12ab", "without auth"},
      {"abfs://data@account.example.org/p", "expected az://"},
      {"azure://account/data", "az://"},
      {"swift://x", "storage_url or auth_url"},
      {"swift://x?auth_url=https://y/v3", "credentials"},
      {"file://host/x", "file:///absolute"},
      {"ipfs://nonsense", "CID"},
      {"ftp://x", "scheme \"ftp\""},
  };
  for (const auto& [url, part] : cases) {
    const auto wrong = check_origin(url);
    ASSERT_TRUE(wrong) << url;
    EXPECT_THAT(wrong->found + "; " + wrong->expected, testing::HasSubstr(part)) << url;
    EXPECT_EQ((wrong->found + wrong->expected).find("pw"), std::string::npos) << wrong->found;
  }
}

TEST(config_origin, parameters_are_decoded) {
  EXPECT_EQ(origin_parameter("s3://box?endpoint=http%3A%2F%2Fx&credentials=lab", "endpoint"), "http://x");
  EXPECT_EQ(origin_parameter("s3://box?credentials=lab", "credentials"), "lab");
  EXPECT_FALSE(origin_parameter("s3://box?credentialsx=lab", "credentials"));
  EXPECT_FALSE(origin_parameter("s3://box", "credentials"));
  EXPECT_FALSE(origin_parameter("nonsense", "credentials"));
}

TEST(config_origin, proxies) {
  for (const std::string_view url : {"http://proxy:3128", "https://proxy.example.org", "http://u:p@proxy:3128/",
                                     "http://[fd00::1]:3128", "socks5h://p"}) {
    EXPECT_FALSE(check_proxy(url)) << url;
  }
  for (const std::string_view url :
       {"proxy:3128", "ftp://proxy", "http://", "http://p:0", "http://p#x", "http://p/x", "http://p?x=1"}) {
    EXPECT_TRUE(check_proxy(url)) << url;
  }
  EXPECT_EQ(without_userinfo("http://u:p@proxy:3128/x@y"), "http://...@proxy:3128/x@y");
  EXPECT_EQ(without_userinfo("http://proxy/x@y"), "http://proxy/x@y");
  EXPECT_EQ(without_userinfo("s3://b?region=x&endpoint=https://u:p@h"), "s3://b?region=x&endpoint=https://...@h");
  EXPECT_EQ(without_userinfo("s3://b?endpoint=https%3A%2F%2Fu%3Ap%40h&a=%40"), "s3://b?endpoint=https://...@h&a=%40");
  EXPECT_EQ(without_userinfo("nonsense"), "nonsense");
}

} // namespace
} // namespace forebay::app
