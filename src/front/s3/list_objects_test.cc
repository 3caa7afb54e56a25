// Requests and listings in S3's words.
#include "front/s3/list_objects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "front/s3/s3_request.h"
#include "front/s3/write_words.h"

namespace forebay::front::s3 {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

s3_request asked(const std::string& query) {
  s3_request made;
  made.bucket = "b";
  made.query = read_query(query);
  return made;
}
list_wish wish(const std::string& query) {
  auto read = read_list_wish(asked(query));
  EXPECT_TRUE(read) << query;
  return read ? *read : list_wish{};
}
origin::list_entry entry(const std::string& key) { return {key, key.ends_with('/'), 5, {}, "\"e\""}; }

http::request_head head(const char* target, const char* host) {
  http::request_head made;
  made.method = "GET";
  made.target = target;
  made.fields.add("Host", host);
  return made;
}

TEST(s3_request, path_style_and_virtual_hosts) {
  const std::vector<std::string> hosts{"s3.example.org", "::1"};
  const auto read = [&hosts](const char* target, const char* host) {
    const auto got = read_request(head(target, host), hosts);
    return got ? got->bucket + "|" + got->key : std::string("refused");
  };
  EXPECT_EQ(read("/bucket/a%20b/c+d", "127.0.0.1:9000"), "bucket|a b/c+d");
  EXPECT_EQ(read("/bucket", "x"), "bucket|");
  EXPECT_EQ(read("/bucket/", "x"), "bucket|");
  EXPECT_EQ(read("/bucket//a", "x"), "bucket|/a");
  EXPECT_EQ(read("/", "x"), "|");
  EXPECT_EQ(read("/a/b", "data.S3.example.org:9000"), "data|a/b");
  EXPECT_EQ(read("/a/b", "s3.example.org"), "a|b");
  EXPECT_EQ(read("/b/../c", "x"), "refused");
  EXPECT_EQ(read("/b/%2e%2e/c", "x"), "refused");
  EXPECT_EQ(read("/b/%zz", "x"), "refused");
}

TEST(s3_request, what_is_for_s3_on_a_listener_of_both) {
  EXPECT_FALSE(is_for_s3(head("/era5/x", "h"), {}));
  EXPECT_TRUE(is_for_s3(head("/x", "b.s3.org"), {"s3.org"}));
  EXPECT_TRUE(is_for_s3(head("/x?X-Amz-Signature=0", "h"), {}));
  auto with = head("/x", "h");
  with.fields.add("Authorization", "AWS4-HMAC-SHA256 Credential=");
  EXPECT_TRUE(is_for_s3(with, {}));
}

TEST(list_wish, parameters_are_checked) {
  const auto first = wish("prefix=a%2Fb&marker=m&delimiter=/&max-keys=5&encoding-type=url");
  EXPECT_EQ(first.prefix, "a/b");
  EXPECT_EQ(first.start_after, "m");
  EXPECT_EQ(first.max_keys, 5u);
  EXPECT_TRUE(first.with_owner && first.url_encoded);
  EXPECT_FALSE(wish("list-type=2").with_owner);
  EXPECT_EQ(wish("list-type=2&max-keys=5000").max_keys, 1'000u);
  EXPECT_EQ(wish("max-keys=0").max_keys, 0u);
  for (const char* wrong : {"list-type=3", "max-keys=-1", "max-keys=x", "encoding-type=base64",
                            "list-type=2&continuation-token=zz", "list-type=2&continuation-token=78"}) {
    EXPECT_FALSE(read_list_wish(asked(wrong))) << wrong;
  }
}

TEST(list_wish, tokens_come_back_as_they_went) {
  const auto key = read_token(make_token({"a b\xff", {}}));
  ASSERT_TRUE(key);
  EXPECT_EQ(key->start_after, "a b\xff");
  const auto native = read_token(make_token({{}, "0.token"}));
  EXPECT_EQ(native->continuation, "0.token");
}

TEST(collapser, rolls_up_behind_any_delimiter) {
  const auto asked = wish("delimiter=_&prefix=x");
  collapser rolled(asked, "");
  for (const char* key : {"x", "x1", "xa_1", "xa_2", "xb_1", "xc"}) EXPECT_TRUE(rolled.take(entry(key)));
  EXPECT_THAT(rolled.page.common_prefixes, ElementsAre("xa_", "xb_"));
  EXPECT_EQ(rolled.page.objects.size(), 3u);
  EXPECT_EQ(rolled.page.last, "xc");
}

TEST(collapser, goes_on_behind_a_common_prefix_without_reading_it) {
  const auto asked = wish("delimiter=_&max-keys=1");
  collapser first(asked, "");
  EXPECT_TRUE(first.take(entry("a_1")));
  EXPECT_TRUE(first.take(entry("a_2")));
  EXPECT_EQ(first.resume_after(), "a_\xf4\x8f\xbf\xbf");
  EXPECT_FALSE(first.take(entry("b")));
  EXPECT_EQ(first.page.last, "a_");
  collapser second(asked, first.page.last);
  EXPECT_TRUE(second.take(entry("a_3")));
  EXPECT_TRUE(second.take(entry("b")));
  EXPECT_THAT(second.page.common_prefixes, IsEmpty());
}

TEST(list_xml, both_versions) {
  list_page page;
  page.objects = {entry("a&b"), {"no-tag", false, {}, {}, ""}};
  page.common_prefixes = {"d/"};
  page.last = "d/";
  page.next_token = "6b61";
  const auto second = render(wish("list-type=2&delimiter=/"), page, "b");
  EXPECT_THAT(second, HasSubstr("<Key>a&amp;b</Key><LastModified>1970-01-01T00:00:00.000Z</LastModified>"
                                "<ETag>&quot;e&quot;</ETag><Size>5</Size><StorageClass>"));
  EXPECT_THAT(second, HasSubstr("<NextContinuationToken>6b61</NextContinuationToken><KeyCount>3</KeyCount>"));
  EXPECT_THAT(second, HasSubstr("<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>"));
  EXPECT_THAT(second, Not(HasSubstr("<ETag></ETag>")));
  const auto first = render(wish("encoding-type=url"), page, "b");
  EXPECT_THAT(first, HasSubstr("<Key>a%26b</Key>"));
  EXPECT_THAT(first, HasSubstr("<NextMarker>d/</NextMarker>"));
  EXPECT_THAT(first, HasSubstr("<Owner><ID>"));
}

TEST(write_words, the_clients_signature_and_framing_stay_here) {
  http::header_table fields;
  for (const auto& [name, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"Host", "x"},
                                                                  {"Authorization", "AWS4-HMAC-SHA256 ..."},
                                                                  {"x-amz-date", "x"},
                                                                  {"Content-Type", "a/b"},
                                                                  {"x-amz-content-sha256", "x"},
                                                                  {"Content-Encoding", "aws-chunked, gzip"},
                                                                  {"x-amz-meta-colour", "red"},
                                                                  {"x-amz-trailer", "x-amz-checksum-crc32"},
                                                                  {"x-amz-sdk-checksum-algorithm", "CRC32"},
                                                                  {"x-amz-decoded-content-length", "5"},
                                                                  {"User-Agent", "boto"}}) {
    fields.add(name, value);
  }
  std::string seen;
  forwarded_fields(fields).render_to(seen);
  EXPECT_EQ(seen, "Content-Type: a/b\r\nContent-Encoding: gzip\r\nx-amz-meta-colour: red\r\n");
}

TEST(write_words, deletes_and_copies_are_read) {
  const auto wish = read_delete("<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                                "<Quiet>true</Quiet><Object><Key>a &amp; b</Key></Object><Object><Key>c</Key>"
                                "<VersionId>v</VersionId></Object></Delete>");
  ASSERT_TRUE(wish);
  EXPECT_TRUE(wish->quiet);
  EXPECT_EQ(wish->objects.at(0).key, "a & b");
  EXPECT_EQ(wish->objects.at(1).version, "v");
  for (const char* wrong : {"", "<Delete/>", "<Delete><Object/></Delete>", "<a>", "<Delete><Object><Key>"})
    EXPECT_EQ(read_delete(wrong).error().code, "MalformedXML") << wrong;
  EXPECT_EQ(read_copy_source("/b/a%20b/c?versionId=1")->key, "a b/c");
  EXPECT_EQ(read_copy_source("b/k")->bucket, "b");
  for (const char* wrong : {"", "b", "/b/", "%zz"}) EXPECT_FALSE(read_copy_source(wrong)) << wrong;
}

TEST(write_words, an_error_with_status_200_is_an_error) {
  const char* root = "CompleteMultipartUploadResult";
  const auto good = renamed_document("\n<CompleteMultipartUploadResult><Location>http://secret/</Location>"
                                     "<Bucket>theirs</Bucket><Key>p/k</Key><ETag>\"x-1\"</ETag>"
                                     "</CompleteMultipartUploadResult>",
                                     root, "ours", "k");
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, "<CompleteMultipartUploadResult><Bucket>ours</Bucket><Key>k</Key><ETag>\"x-1\"</ETag>"
                   "</CompleteMultipartUploadResult>");
  EXPECT_EQ(renamed_document("<Error><Code>InternalError</Code></Error>", root, "b", "k").error().status, 503u);
  EXPECT_EQ(renamed_document("", root, "b", "k").error().status, 503u);
}

} // namespace
} // namespace forebay::front::s3
