// Signatures against the values that Amazon publishes, and against our own signing side.
#include "front/s3/signature.h"

#include <gtest/gtest.h>

#include <ctime>

#include "base/text.h"
#include "front/s3/chunked_upload.h"
#include "front/s3/s3_front.h"
#include "front/s3/write_words.h"
#include "net/loop.h"
#include "origin/s3/sigv4.h"

namespace forebay::front::s3 {
namespace {

using namespace std::chrono_literals;

constexpr const char* example_id = "AKIAIOSFODNN7EXAMPLE";
constexpr const char* example_secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const wall_time example_time = wall_time(std::chrono::seconds(1'369'353'600)); // 2013-05-24T00:00:00Z

http::request_head head_of(std::initializer_list<std::pair<const char*, const char*>> fields, std::string target = "/",
                           std::string method = "GET") {
  http::request_head head;
  head.method = std::move(method);
  head.target = std::move(target);
  for (const auto& [name, value] : fields) head.fields.add(name, value);
  return head;
}

std::string code_of(const http::request_head& head, wall_time now, const char* secret = example_secret) {
  const auto claim = read_authorization(head);
  if (!claim) return claim.error().code;
  if (!*claim) return "anonymous";
  const auto failure = verify(**claim, secret, head, now);
  return failure ? failure->code : "";
}

/// Amazon's "GET Object" (Signature Calculations for the Authorization Header).
http::request_head get_example() {
  return head_of(
      {{"Host", "examplebucket.s3.amazonaws.com"},
       {"Range", "bytes=0-9"},
       {"x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
       {"x-amz-date", "20130524T000000Z"},
       {"Authorization", "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                         "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
                         "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}},
      "/test.txt");
}

/// Amazon's presigned example (Authenticating Requests: Using Query Parameters).
constexpr const char* presigned_example =
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
    "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

TEST(s3_signature, amazons_example_in_the_header) {
  EXPECT_EQ(code_of(get_example(), example_time), "");
  EXPECT_EQ(code_of(get_example(), example_time, "another secret"), "SignatureDoesNotMatch");
  auto changed = get_example();
  changed.fields.set("Range", "bytes=0-10");
  EXPECT_EQ(code_of(changed, example_time), "SignatureDoesNotMatch");
  changed = get_example();
  changed.fields.set("Host", "other.example.org"); // against the Host that the client sent
  EXPECT_EQ(code_of(changed, example_time), "SignatureDoesNotMatch");
}

TEST(s3_signature, clocks_may_differ_by_a_quarter_of_an_hour) {
  for (const auto off : {-15min, 15min}) EXPECT_EQ(code_of(get_example(), example_time + off), "");
  for (const auto off : {-16min, 16min}) EXPECT_EQ(code_of(get_example(), example_time + off), "RequestTimeTooSkewed");
}

TEST(s3_signature, fields_of_s3_must_be_signed) {
  auto added = get_example();
  added.fields.add("x-amz-acl", "public-read");
  EXPECT_EQ(code_of(added, example_time), "AccessDenied");
}

TEST(s3_signature, amazons_presigned_example) {
  const auto head = head_of({{"Host", "examplebucket.s3.amazonaws.com"}}, presigned_example);
  EXPECT_EQ(code_of(head, example_time), "");
  EXPECT_EQ(code_of(head, example_time + 24h), "");
  EXPECT_EQ(code_of(head, example_time + 24h + 1s), "AccessDenied");
  EXPECT_EQ(code_of(head, example_time - 16min), "RequestTimeTooSkewed");
  std::string longer = presigned_example;
  longer.replace(longer.find("86400"), 5, "604801");
  EXPECT_EQ(code_of(head_of({{"Host", "x"}}, longer), example_time), "AuthorizationQueryParametersError");
  longer.replace(longer.find("604801"), 6, "604800"); // allowed, but then not what was signed
  EXPECT_EQ(code_of(head_of({{"Host", "examplebucket.s3.amazonaws.com"}}, longer), example_time),
            "SignatureDoesNotMatch");
}

TEST(s3_signature, what_our_signing_side_signs_holds) {
  for (const char* key : {"a b+c/ü", "x=1&y", "~-._", "//a", "%41"}) {
    origin::s3::signed_request asked{"PUT", "127.0.0.1:9000", "/bucket/" + origin::s3::encode_key(key),
                                     "partNumber=1&uploadId=a%2Bb", std::string(origin::s3::unsigned_payload)};
    auto head = head_of({{"Host", "127.0.0.1:9000"}, {"x-amz-meta-colour", "  dark   red "}},
                        asked.encoded_path + "?" + asked.query, "PUT");
    origin::s3::sign(asked, head.fields, {"id/with/slashes", example_secret, ""}, "eu-west-1", example_time);
    EXPECT_EQ(code_of(head, example_time), "") << key;
  }
}

TEST(s3_signature, dates_of_far_years_do_not_overflow_the_clock) {
  for (const std::string year : {"0000", "1677", "2263", "4026", "9999"}) {
    std::string target = presigned_example;
    target.replace(target.find("Date=2013"), 9, "Date=" + year);
    EXPECT_NE(code_of(head_of({{"Host", "examplebucket.s3.amazonaws.com"}}, target), example_time), "") << year;
  }
}

TEST(s3_signature, malformed_claims_are_told) {
  const auto with = [](const char* field) { return code_of(head_of({{"Authorization", field}}), example_time); };
  EXPECT_EQ(with("Bearer x"), "anonymous");
  EXPECT_EQ(with("AWS AKID:signature"), "anonymous"); // version 2: nobody we know
  EXPECT_EQ(with("AWS4-HMAC-SHA256 "), "AuthorizationHeaderMalformed");
  EXPECT_EQ(with("AWS4-HMAC-SHA256 Credential=a/2013/r/s3/aws4_request, SignedHeaders=host, Signature=0"),
            "AuthorizationHeaderMalformed");
  EXPECT_EQ(code_of(head_of({}, "/x?X-Amz-Signature=0"), example_time), "AuthorizationQueryParametersError");
}

TEST(s3_signature, unknown_keys_are_nobodys) {
  s3_settings settings;
  settings.keys = {{"ours", "secret", {"*"}, false}};
  std::optional<authorization> claim;
  const auto nobody = identify(settings, get_example(), claim, example_time);
  ASSERT_TRUE(nobody);
  EXPECT_EQ(*nobody, nullptr);
  settings.keys.push_back({example_id, "wrong", {"*"}, false});
  EXPECT_EQ(identify(settings, get_example(), claim, example_time).error().code, "SignatureDoesNotMatch");
  settings.keys.back().secret = example_secret;
  EXPECT_EQ(*identify(settings, get_example(), claim, example_time), &settings.keys.back());
}

// ---- aws-chunked --------------------------------------------------------------------------------------------------

/// Amazon's example of a signed streaming upload: 66560 times 'a' in two chunks.
struct chunk_example {
  chunk_signing signing{origin::s3::signing_key(example_secret, "20130524", "us-east-1", "s3"), "20130524T000000Z",
                        "20130524/us-east-1/s3/aws4_request",
                        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"};
  std::string body = "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
                     std::string(65'536, 'a') +
                     "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
                     std::string(1'024, 'a') +
                     "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
  payload_form form() const {
    payload_form made;
    made.what = payload_form::kind::chunked;
    made.signing = signing;
    return made;
  }
};

struct decoded {
  std::string code, text;
  bool finished = false;
};
decoded decode(payload_form form, std::uint64_t length, std::string_view body, std::size_t step) {
  aws_chunk_decoder decoder(std::move(form), length);
  decoded seen;
  for (std::size_t at = 0; at < body.size() && seen.code.empty(); at += step) {
    if (const auto failure = decoder.feed(body.substr(at, step), seen.text)) seen.code = failure->code;
  }
  seen.finished = decoder.finished();
  return seen;
}

TEST(aws_chunks, amazons_example_however_it_is_cut) {
  const chunk_example example;
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4'096}, example.body.size()}) {
    const auto seen = decode(example.form(), 66'560, example.body, step);
    EXPECT_EQ(seen.code, "");
    EXPECT_TRUE(seen.finished);
    EXPECT_EQ(seen.text, std::string(66'560, 'a'));
  }
}

TEST(aws_chunks, a_changed_byte_is_noticed_in_its_chunk) {
  chunk_example example;
  example.body[70'000 - 4'000] = 'b';
  EXPECT_EQ(decode(example.form(), 66'560, example.body, 4'096).code, "SignatureDoesNotMatch");
  const chunk_example good;
  EXPECT_EQ(decode(good.form(), 66'559, good.body, 4'096).code, "InvalidRequest");
  EXPECT_EQ(decode(good.form(), 66'561, good.body, 4'096).code, "IncompleteBody");
  EXPECT_FALSE(decode(good.form(), 66'560, good.body.substr(0, good.body.size() - 4), 4'096).finished);
  EXPECT_EQ(decode(good.form(), 66'560, good.body + "x", 4'096).code, "InvalidRequest");
}

TEST(aws_chunks, unsigned_chunks_with_a_trailer) {
  payload_form form;
  form.what = payload_form::kind::chunked;
  form.trailer = true;
  const std::string body = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
  const auto seen = decode(form, 5, body, 3);
  EXPECT_EQ(seen.code, "");
  EXPECT_EQ(seen.text, "hello");
  EXPECT_TRUE(seen.finished);
  EXPECT_EQ(decode(form, 5, "5\r\nhello!\r\n", 3).code, "InvalidRequest");
  EXPECT_EQ(decode(form, 5, "z\r\n", 3).code, "InvalidRequest");
  EXPECT_EQ(decode(form, 5, "ffffffffffffffff\r\n", 3).code, "InvalidRequest");
  EXPECT_EQ(decode(form, 5, std::string(1'000, '1'), 3).code, "InvalidRequest");
}

// ---- payloads -----------------------------------------------------------------------------------------------------

class payloads : public ::testing::Test {
protected:
  void SetUp() override {
    loops = std::make_unique<net::loop_group>(1);
    loops->start();
  }
  static net::task<void> read_all(std::unique_ptr<http::body_source> body, std::string* text, std::string* failure) {
    for (;;) {
      auto piece = co_await body->next(7);
      if (!piece) *failure = piece.error().context;
      if (!piece || piece->empty()) co_return;
      text->append(reinterpret_cast<const char*>(piece->bytes.data()), piece->bytes.size());
    }
  }
  /// What a store would have got of the upload, and the code of its failure.
  std::pair<std::string, std::string> pass(const std::string& body, payload_form form, std::uint64_t length) {
    const auto state = std::make_shared<payload_state>();
    std::string text, failure;
    net::run_blocking(loops->at(0),
                      read_all(make_payload(http::make_body(body), std::move(form), length, state), &text, &failure));
    return {text, state->failure ? state->failure->code : failure};
  }
  std::unique_ptr<net::loop_group> loops;
};

TEST_F(payloads, a_store_never_gets_the_whole_of_a_wrong_body) {
  payload_form hashed;
  hashed.what = payload_form::kind::hashed;
  hashed.sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"; // "hello"
  EXPECT_EQ(pass("hello", hashed, 5), std::pair(std::string("hello"), std::string()));
  const auto [text, code] = pass("hellO", hashed, 5);
  EXPECT_LT(text.size(), 5u);
  EXPECT_EQ(code, "XAmzContentSHA256Mismatch");
}

TEST_F(payloads, checksums_in_the_head_and_in_the_trailer) {
  http::header_table fields;
  fields.add("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
  fields.add("x-amz-trailer", "x-amz-checksum-crc32");
  const std::string head = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:";
  const auto form = form_of(fields, std::nullopt, nullptr);
  ASSERT_TRUE(form);
  EXPECT_EQ(pass(head + "NhCmhg==\r\n\r\n", *form, 5).first, "hello");
  EXPECT_EQ(pass(head + "AAAAAA==\r\n\r\n", *form, 5).second, "BadDigest");
  EXPECT_EQ(pass("5\r\nhello\r\n0\r\n\r\n", *form, 5).second, "BadDigest");
  fields.clear();
  fields.add("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
  EXPECT_EQ(pass("hello", *form_of(fields, std::nullopt, nullptr), 5).second, "");
  EXPECT_EQ(pass("hellO", *form_of(fields, std::nullopt, nullptr), 5).second, "BadDigest");
}

} // namespace
} // namespace forebay::front::s3
