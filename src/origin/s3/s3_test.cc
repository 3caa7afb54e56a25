#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "base/text.h"
#include "http/date.h"
#include "origin/s3/credentials.h"
#include "origin/s3/endpoint.h"
#include "origin/s3/list_objects.h"
#include "origin/s3/sigv4.h"
#include "origin/s3/sigv4_vectors.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin::s3 {
namespace {

using ::testing::HasSubstr;
using testing::in_turn;
using ::testing::Not;
using testing::quick_settings;
using testing::raw_answer;
using testing::raw_connection;
using testing::raw_origin;
using testing::seen_heads;

std::string signature_of(const http::header_table& fields) {
  const std::string text(fields.get("Authorization").value_or(""));
  const std::size_t at = text.find("Signature=");
  return at == std::string::npos ? std::string() : text.substr(at + 10);
}

// The examples that AWS publishes ("Authenticating Requests: Using the Authorization Header").

const access_keys example_keys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};

std::string published(const std::string& query) {
  http::header_table fields;
  const wall_time when = *http::parse_date("Fri, 24 May 2013 00:00:00 GMT", {});
  sign({"GET", "examplebucket.s3.amazonaws.com", "/", query, std::string(empty_payload_sha256)}, fields, example_keys,
       "us-east-1", when);
  EXPECT_THAT(std::string(*fields.get("Authorization")),
              HasSubstr("Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, "));
  return signature_of(fields);
}

TEST(SigV4, AgreesWithThePublishedExamples) {
  EXPECT_EQ(published("lifecycle"), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(published("max-keys=2&prefix=J"), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4, AgreesWithBotocore) {
  const wall_time when = *http::parse_date("Thu, 29 Feb 2024 23:59:59 GMT", {});
  for (const sigv4_vector& each : sigv4_vectors) {
    const std::string key = each.key;
    EXPECT_EQ("/bucket" + (key.empty() ? "" : "/" + encode_key(key)), each.encoded_path);
    http::header_table fields;
    sign({each.method, "data.example.org:9000", each.encoded_path, each.query, std::string(empty_payload_sha256)},
         fields, {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", each.token}, each.region, when);
    EXPECT_EQ(signature_of(fields), each.signature) << each.method << " " << each.encoded_path << "?" << each.query;
  }
}

TEST(SigV4, OldSignaturesAreReplaced) {
  http::header_table fields;
  fields.add("x-amz-date", "19700101T000000Z");
  fields.add("x-amz-security-token", "stale");
  fields.add("Authorization", "AWS4-HMAC-SHA256 old");
  sign({"GET", "h", "/k", "", std::string(unsigned_payload)}, fields, example_keys, "us-east-1", wall_time{});
  EXPECT_EQ(fields.count("x-amz-date"), 1u);
  EXPECT_EQ(fields.count("Authorization"), 1u);
  EXPECT_FALSE(fields.has("x-amz-security-token"));
}

// Addresses.

TEST(Location, IsParsed) {
  const auto where = parse_location("s3://era5-pds/zarr/2020/?region=eu-west-1&anonymous=true");
  ASSERT_TRUE(where);
  EXPECT_EQ(where->bucket, "era5-pds");
  EXPECT_EQ(where->prefix, "zarr/2020");
  EXPECT_EQ(where->region, "eu-west-1");
  EXPECT_TRUE(where->keys.anonymous);
  EXPECT_EQ(where->style, addressing::virtual_host);
  const address to = address_of(*where, "eu-west-1", "a b+c=d//e");
  EXPECT_EQ(to.origin, "https://era5-pds.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(to.encoded_path, "/a%20b%2Bc%3Dd//e");
  EXPECT_EQ(parse_location("s3://b.with.dots")->style, addressing::path);
}

TEST(Location, KnowsOtherEndpoints) {
  const auto where = parse_location("s3://box/p%20q?endpoint=http%3A%2F%2Fminio.example.org%3A9000%2Fs3%2F");
  ASSERT_TRUE(where) << where.error().message();
  const address to = address_of(*where, "us-east-1", "k");
  EXPECT_EQ(to.origin, "http://minio.example.org:9000");
  EXPECT_EQ(to.host, "minio.example.org:9000");
  EXPECT_EQ(to.encoded_path, "/s3/box/k");
  EXPECT_EQ(where->prefix, "p q");
  EXPECT_EQ(canonical_endpoint(*where), "http://minio.example.org:9000/s3");
  const auto virtual_one = parse_location("s3://box?endpoint=https://store.example.org&style=virtual");
  EXPECT_EQ(address_of(*virtual_one, "x", "k").origin, "https://box.store.example.org");
  EXPECT_EQ(address_of(*where, "x", "").encoded_path, "/s3/box");
  EXPECT_EQ(address_of(*virtual_one, "x", "").encoded_path, "/");
}

TEST(Location, ABucketThatBecomesAHostHasAHostsName) {
  for (const char* name : {"Bad_Bucket", "ab", "a..b", "a-", "192.0.2.1"}) {
    const std::string url = std::string("s3://") + name;
    const auto where = parse_location(url);
    ASSERT_FALSE(where) << url;
    EXPECT_THAT(where.error().context, HasSubstr("3 to 63 lower-case letters")) << url;
    EXPECT_FALSE(parse_location(url + "?endpoint=https://store.example.org&style=virtual")) << url;
    EXPECT_TRUE(parse_location(url + "?endpoint=https://store.example.org")) << "old names are reached by path";
    EXPECT_TRUE(parse_location(url + "?style=path")) << url;
  }
  EXPECT_FALSE(parse_location("s3://Bad_Bucket!?endpoint=https://store.example.org"));
  EXPECT_FALSE(parse_location("s3://..?endpoint=https://store.example.org"));
}

TEST(Location, MistakesAreExplained) {
  for (const auto& [url, words] : std::vector<std::pair<const char*, const char*>>{
           {"s3:///key", "bucket's name"},
           {"s3://box?regoin=x", "is it region?"},
           {"s3://box?style=host", "expected path or virtual"},
           {"s3://box?anonymous=yes", "expected true or false"},
           {"s3://box?anonymous=true&profile=x", "expected one of them"},
           {"s3://box?endpoint=minio:9000", "expected http[s]://host[:port]"},
           {"s3://box/%zz", "bad percent-escape"},
           {"s3://box?region=a/b", "found region"}}) {
    const auto where = parse_location(url);
    ASSERT_FALSE(where) << url;
    EXPECT_EQ(where.error().kind, error_kind::invalid_input);
    EXPECT_THAT(where.error().context, HasSubstr(words)) << url;
  }
}

TEST(Identity, OneBucketIsOneCopy) {
  const auto of = [](const char* url, const char* key) {
    auto made = make_source(url, quick_settings());
    EXPECT_TRUE(made);
    return (*made)->identify(key, "").canonical();
  };
  const std::string plain = of("s3://box/p?anonymous=true", "a b/x+y");
  EXPECT_EQ(of("s3://box?anonymous=true&region=eu-west-1&style=path", "p/a b/x+y"), plain);
  EXPECT_EQ(of("https://box.s3.amazonaws.com/p", "a b/x+y"), plain);
  EXPECT_EQ(of("https://box.s3.us-east-1.amazonaws.com", "p/a b/x+y"), plain);
  EXPECT_EQ(of("https://s3.us-east-1.amazonaws.com/box/p/", "a b/x+y"), plain);
  EXPECT_NE(of("http://box.s3.amazonaws.com/p", "a b/x+y"), plain);
  EXPECT_NE(of("https://box.s3.amazonaws.com.example.org/p", "a b/x+y"), plain);
  EXPECT_NE(of("s3://cup/p?anonymous=true", "a b/x+y"), plain);
  EXPECT_NE(of("s3://box/p?anonymous=true&endpoint=https://other.example.org", "a b/x+y"), plain);
}

// Keys.

class KeysTest : public ::testing::Test {
protected:
  KeysTest() {
    for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
                             "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE"}) {
      ::unsetenv(name);
    }
    ::setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
    ::setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
  }
  void write_file(const std::string& text) {
    char path[] = "/tmp/forebay-keys-XXXXXX";
    const int fd = ::mkstemp(path);
    ASSERT_GE(fd, 0);
    ::close(fd);
    std::ofstream(path) << text;
    ::setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    path_ = path;
  }
  ~KeysTest() override {
    if (!path_.empty()) ::unlink(path_.c_str());
    ::unsetenv("AWS_ACCESS_KEY_ID");
    ::unsetenv("AWS_SECRET_ACCESS_KEY");
    ::unsetenv("AWS_SESSION_TOKEN");
    ::setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", 1);
  }
  std::string path_;
};

TEST_F(KeysTest, NothingIsAnonymous) {
  const auto found = find_keys({}, {});
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->keys);
}

TEST_F(KeysTest, ComeFromTheEnvironment) {
  ::setenv("AWS_ACCESS_KEY_ID", "id", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  ::setenv("AWS_SESSION_TOKEN", "token", 1);
  const auto found = find_keys({}, {});
  ASSERT_TRUE(found && found->keys);
  EXPECT_EQ(found->keys->access_key_id, "id");
  EXPECT_EQ(found->keys->session_token, "token");
  EXPECT_FALSE(find_keys({true, "", "", key_service::none}, {})->keys) << "anonymous means anonymous";
}

TEST_F(KeysTest, ComeFromAProfile) {
  write_file("# comment\n[default]\naws_access_key_id = d\naws_secret_access_key=ds\n\n[ science ]\r\n"
             "aws_access_key_id=s\r\naws_secret_access_key = ss=/+\r\naws_session_token= t\r\nregion = eu-central-1\r\n"
             "s3 =\n  aws_access_key_id = nested\n");
  const auto found = find_keys({false, "", "science", key_service::none}, {});
  ASSERT_TRUE(found && found->keys);
  EXPECT_EQ(found->keys->access_key_id, "s");
  EXPECT_EQ(found->keys->secret_access_key, "ss=/+");
  EXPECT_EQ(found->keys->session_token, "t");
  EXPECT_EQ(found->region, "eu-central-1");
  EXPECT_EQ(find_keys({}, {})->keys->access_key_id, "d");
  const auto missing = find_keys({false, "", "nobody", key_service::none}, {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, error_kind::invalid_input);
}

TEST_F(KeysTest, ComeFromTheConfiguration) {
  source_settings settings;
  settings.credentials.push_back({"lab", "id", "secret", "", "", "", ""});
  settings.credentials.push_back({"web", "", "", "", "user", "pw", ""});
  EXPECT_EQ(find_keys({false, "lab", "", key_service::none}, settings)->keys->access_key_id, "id");
  EXPECT_FALSE(find_keys({false, "web", "", key_service::none}, settings));
  EXPECT_FALSE(find_keys({false, "none", "", key_service::none}, settings));
}

// Listings.

TEST(ListPage, IsRead) {
  const auto page = parse_list_page(
      "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>abc=</"
      "NextContinuationToken>"
      "<Contents><Key>p/a+b%2Bc%E6%97%A5</Key><LastModified>2024-05-01T12:34:56.000Z</"
      "LastModified><ETag>&quot;e&quot;</ETag>"
      "<Size>5368709121</Size></Contents><CommonPrefixes><Prefix>p/d%2F</Prefix></CommonPrefixes></ListBucketResult>",
      "x");
  ASSERT_TRUE(page) << page.error().message();
  ASSERT_EQ(page->entries.size(), 2u);
  EXPECT_EQ(page->entries[0].key, "p/a b+c日");
  EXPECT_EQ(page->entries[0].length_bytes, 5368709121u);
  EXPECT_EQ(page->entries[0].etag, "\"e\"");
  EXPECT_EQ(page->entries[0].modified, http::parse_date("Wed, 01 May 2024 12:34:56 GMT", {}));
  EXPECT_EQ(page->entries[1].key, "p/d/");
  EXPECT_TRUE(page->entries[1].directory);
  EXPECT_EQ(page->next, "abc=");
}

TEST(ListPage, NonsenseIsBroken) {
  for (const char* text :
       {"", "<html/>", "<ListBucketResult><Contents></Contents></ListBucketResult>", "<ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"}) {
    const auto page = parse_list_page(text, "x");
    ASSERT_FALSE(page) << text;
    EXPECT_EQ(page.error().kind, error_kind::broken);
  }
}

// The source.

class S3Test : public testing::source_test {
protected:
  std::string store(const raw_origin& server, const std::string& more = "&anonymous=true") {
    return "s3://bucket/prefix?endpoint=" + percent_encode(server.url("")) + more;
  }
  source_settings keyed() {
    source_settings settings = quick_settings();
    settings.credentials.push_back({"lab", "AKID", "secret", "", "", "", ""});
    return settings;
  }
};

TEST_F(S3Test, ReadsAnonymously) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("200 OK", "ETag: \"e\"\r\n", "data")}, &heads));
  const auto from = open(store(server));
  const auto got = read(from, "time=1/a b+c//d");
  ASSERT_TRUE(got.answer) << got.failed->message();
  EXPECT_EQ(got.body, "data");
  EXPECT_EQ(got.answer->length_bytes, 4u);
  EXPECT_EQ(got.answer->pinned.value, "\"e\"");
  EXPECT_THAT(heads.last(), HasSubstr("GET /bucket/prefix/time%3D1/a%20b%2Bc//d HTTP/1.1\r\n"));
  EXPECT_THAT(heads.last(), Not(HasSubstr("uthorization")));
  EXPECT_THAT(heads.last(), HasSubstr("Via: 1.1 forebay (node-1)\r\n"));
  EXPECT_THAT(heads.last(), HasSubstr("CDN-Loop: forebay; node=\"node-1\"\r\n"));
  EXPECT_THAT(heads.last(), HasSubstr("Accept-Encoding: identity\r\n"));
}

TEST_F(S3Test, SignsWhatItSends) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("200 OK", "", "")}, &heads));
  const auto from = open(store(server, "&credentials=lab&region=eu-west-1"), keyed());
  read(from, "k y");
  const std::string head = heads.last();
  EXPECT_THAT(head, HasSubstr("/eu-west-1/s3/aws4_request, "
                              "SignedHeaders=host;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date, Signature="));
  const auto field = [&](const std::string& name) {
    const std::size_t at = head.find(name + ": ") + name.size() + 2;
    return head.substr(at, head.find("\r\n", at) - at);
  };
  // Sign again what arrived: the signature must be of the very request.
  const std::string stamp = field("x-amz-date");
  std::tm utc{};
  ASSERT_NE(strptime(stamp.c_str(), "%Y%m%dT%H%M%SZ", &utc), nullptr);
  http::header_table fields;
  fields.add("x-amz-checksum-mode", field("x-amz-checksum-mode"));
  sign({"GET", field("Host"), head.substr(4, head.find(' ', 4) - 4), "", field("x-amz-content-sha256")}, fields,
       {"AKID", "secret", ""}, "eu-west-1", std::chrono::system_clock::from_time_t(timegm(&utc)));
  EXPECT_EQ(field("Authorization"), std::string(*fields.get("Authorization")));
}

TEST_F(S3Test, LearnsTheRegionOnce) {
  seen_heads heads;
  raw_origin server(
      in_turn({raw_answer("400 Bad Request", "",
                          "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"),
               raw_answer("200 OK", "", "data")},
              &heads));
  const auto from = open(store(server, "&credentials=lab"), keyed());
  EXPECT_EQ(read(from, "a").body, "data");
  EXPECT_EQ(read(from, "b").body, "data");
  ASSERT_EQ(heads.size(), 3u);
  EXPECT_THAT(heads.all()[0], HasSubstr("/us-east-1/s3/"));
  EXPECT_THAT(heads.all()[1], HasSubstr("/eu-west-1/s3/"));
  EXPECT_THAT(heads.all()[2], HasSubstr("/eu-west-1/s3/"));
}

TEST_F(S3Test, ARegionThatHelpsNothingIsAnError) {
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("301 Moved Permanently", "x-amz-bucket-region: eu-west-1\r\n", ""),
                             raw_answer("301 Moved Permanently", "x-amz-bucket-region: eu-west-2\r\n", "")},
                            &heads));
  const auto got = read(open(store(server, "&credentials=lab"), keyed()), "a");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(heads.size(), 2u);
  EXPECT_EQ(got.failed->origin_status, 301);
}

TEST_F(S3Test, ErrorsCarryTheStoresWords) {
  raw_origin server(
      in_turn({raw_answer("403 Forbidden", "", "<Error><Code>AccessDenied</Code><Message>No</Message></Error>")}));
  const auto got = read(open(store(server)), "a");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::forbidden);
  EXPECT_EQ(got.failed->origin_status, 403);
  EXPECT_THAT(got.failed->context, HasSubstr("AccessDenied: No"));
  EXPECT_THAT(got.failed->source, HasSubstr("s3://bucket/prefix"));
}

TEST_F(S3Test, SlowDownIsTriedAgain) {
  seen_heads heads;
  raw_origin server(in_turn(
      {raw_answer("503 Slow Down", "", "<Error><Code>SlowDown</Code></Error>"), raw_answer("200 OK", "", "data")},
      &heads));
  EXPECT_EQ(read(open(store(server)), "a").body, "data");
  EXPECT_EQ(heads.size(), 2u);
}

TEST_F(S3Test, ListsOverPages) {
  seen_heads heads;
  const std::string first =
      "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t+1</NextContinuationToken>"
      "<Contents><Key>prefix/d/</Key><Size>0</Size></Contents>"
      "<Contents><Key>prefix/d/a</Key><Size>1</Size></Contents></ListBucketResult>";
  const std::string second = "<ListBucketResult><Contents><Key>prefix/d/b</Key><Size>2</Size></Contents>"
                             "<CommonPrefixes><Prefix>prefix/d/e/</Prefix></CommonPrefixes></ListBucketResult>";
  raw_origin server(in_turn({raw_answer("200 OK", "", first), raw_answer("200 OK", "", second)}, &heads));
  list_request asked;
  asked.prefix = "d/";
  const auto found = list(open(store(server)), std::move(asked));
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found->entries.size(), 3u) << "the directory's own marker is no entry";
  EXPECT_EQ(found->entries[0].key, "d/a");
  EXPECT_EQ(found->entries[1].key, "d/b");
  EXPECT_EQ(found->entries[2].key, "d/e/");
  EXPECT_THAT(
      heads.all()[0],
      HasSubstr("GET /bucket?delimiter=%2F&encoding-type=url&list-type=2&max-keys=1000&prefix=prefix%2Fd%2F HTTP"));
  EXPECT_THAT(heads.all()[1], HasSubstr("continuation-token=t%2B1&"));
}

TEST_F(S3Test, ListingsAreBounded) {
  std::string many = "<ListBucketResult>", more;
  for (int i = 0; i < 10; ++i) {
    if (i == 4)
      more = "<IsTruncated>true</IsTruncated><NextContinuationToken>on</NextContinuationToken>" + many.substr(18);
    many += "<Contents><Key>prefix/" + std::to_string(i) + "</Key></Contents>";
  }
  seen_heads heads;
  raw_origin server(in_turn({raw_answer("200 OK", "", "<ListBucketResult>" + more + "</ListBucketResult>"),
                             raw_answer("200 OK", "", many + "</ListBucketResult>")},
                            &heads));
  list_request asked;
  asked.max_entries = 4;
  asked.start_after = "!";
  const auto from = open(store(server));
  const auto found = list(from, asked);
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_EQ(found->entries.size(), 4u);
  EXPECT_EQ(found->next, "on");
  EXPECT_THAT(heads.last(), HasSubstr("max-keys=4&prefix=prefix%2F&start-after=prefix%2F%21 "));
  asked.continuation = found->next;
  EXPECT_EQ(list(from, asked).error().kind, error_kind::broken) << "a page that is longer than asked";
  EXPECT_THAT(heads.last(), HasSubstr("continuation-token=on&"));
  EXPECT_THAT(heads.last(), Not(HasSubstr("start-after")));
}

TEST_F(S3Test, WritesStreamUnsignedPayloads) {
  std::string head, body;
  raw_origin server([&](raw_connection& peer) {
    head = peer.read_head();
    body = peer.read_body(5);
    peer.answer("200 OK", "ETag: \"n\"\r\n", "");
  });
  const auto to = open(store(server, "&credentials=lab&region=us-east-1"), keyed());
  write_request asked;
  asked.method = "PUT";
  asked.key = "new key";
  asked.fields.add("Authorization", "AWS4-HMAC-SHA256 client's own");
  asked.fields.add("x-amz-meta-note", "n");
  asked.body = http::make_body("12345");
  asked.length_bytes = 5;
  const auto got = write(to, std::move(asked));
  ASSERT_FALSE(got.failed) << got.failed->message();
  EXPECT_EQ(got.status, 200u);
  EXPECT_EQ(body, "12345");
  EXPECT_THAT(head, HasSubstr("PUT /bucket/prefix/new%20key HTTP/1.1"));
  EXPECT_THAT(head, HasSubstr("x-amz-content-sha256: UNSIGNED-PAYLOAD"));
  EXPECT_THAT(head, HasSubstr("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-meta-note"));
  EXPECT_THAT(head, Not(HasSubstr("client's own")));
  write_request endless;
  endless.method = "PUT";
  endless.key = "k";
  endless.body = http::make_body("x");
  const auto refused = write(to, std::move(endless));
  ASSERT_TRUE(refused.failed);
  EXPECT_EQ(refused.failed->kind, error_kind::unsupported);
}

TEST_F(S3Test, ABucketIsNoObject) {
  raw_origin server(in_turn({raw_answer("200 OK", "", "<ListBucketResult/>")}));
  const auto got = read(open("s3://bucket?anonymous=true&endpoint=" + percent_encode(server.url(""))), "");
  ASSERT_TRUE(got.failed);
  EXPECT_EQ(got.failed->kind, error_kind::not_found);
  EXPECT_EQ(server.connections(), 0u);
}

} // namespace
} // namespace forebay::origin::s3
