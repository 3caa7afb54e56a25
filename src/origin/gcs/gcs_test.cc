#include <gmock/gmock.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/text.h"
#include "origin/checked_body.h"
#include "origin/gcs/list_page.h"
#include "origin/gcs/location.h"
#include "origin/gcs/tokens.h"
#include "origin/testing/environment.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin::gcs {
namespace {

using ::testing::HasSubstr;
using testing::in_turn;
using ::testing::Not;
using testing::quick_settings;
using testing::raw_answer;
using testing::raw_connection;
using testing::raw_origin;
using testing::seen_heads;

struct rsa_key {
  rsa_key() : key(EVP_RSA_gen(2048)) {
    BIO* const out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* text = nullptr;
    const long length = BIO_get_mem_data(out, &text);
    pem.assign(text, static_cast<std::size_t>(length));
    BIO_free(out);
  }
  ~rsa_key() { EVP_PKEY_free(key); }
  bool signed_this(const std::string& text, const std::string& signature) const {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key);
    const int good =
        EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
                         reinterpret_cast<const unsigned char*>(text.data()), text.size());
    EVP_MD_CTX_free(context);
    return good == 1;
  }
  EVP_PKEY* key;
  std::string pem;
};

const rsa_key& test_key() {
  static const rsa_key one;
  return one;
}

std::string account_json(const std::string& token_url) {
  return nlohmann::json{{"type", "service_account"},
                        {"client_email", "reader@project.iam.gserviceaccount.com"},
                        {"private_key", test_key().pem},
                        {"private_key_id", "id-of-" + token_url},
                        {"token_uri", token_url}}
      .dump();
}

std::string decode_base64url(std::string text) {
  std::string out(text.size(), '\0');
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  const std::size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  const int length =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(length) - padding);
  return out;
}

TEST(GcsTokens, AnAssertionIsSignedAndSaysWhatItIsFor) {
  const auto key = parse_key_file(account_json("https://oauth2.example.org/token"), "file");
  ASSERT_TRUE(key) << key.error().message();
  const auto assertion = sign_assertion(*key, wall_time(std::chrono::seconds(1'700'000'000)));
  ASSERT_TRUE(assertion) << assertion.error().message();
  const auto parts = split(*assertion, '.');
  ASSERT_EQ(parts.size(), 3u);
  const auto claims = nlohmann::json::parse(decode_base64url(std::string(parts[1])));
  EXPECT_EQ(claims.at("iss"), "reader@project.iam.gserviceaccount.com");
  EXPECT_EQ(claims.at("aud"), "https://oauth2.example.org/token");
  EXPECT_EQ(claims.at("iat"), 1'700'000'000);
  EXPECT_EQ(claims.at("exp"), 1'700'003'600);
  EXPECT_EQ(nlohmann::json::parse(decode_base64url(std::string(parts[0]))).at("alg"), "RS256");
  EXPECT_TRUE(test_key().signed_this(std::string(parts[0]) + "." + std::string(parts[1]),
                                     decode_base64url(std::string(parts[2]))));
}

TEST(GcsTokens, OtherFilesAreRefusedWithoutTellingWhatTheyHold) {
  for (const char* text :
       {"", "[]", "{}", R"({"type": "external_account", "private_key": "hush"})",
        R"({"type": "service_account", "client_email": "x"})", R"({"type": "authorized_user", "client_id": "hush"})"}) {
    const auto key = parse_key_file(text, "file");
    ASSERT_FALSE(key) << text;
    EXPECT_EQ(key.error().kind, error_kind::invalid_input);
    EXPECT_THAT(key.error().message(), Not(HasSubstr("hush")));
  }
  source_settings settings;
  credential_entry entry;
  entry.name = "lab";
  entry.google_key = R"({"type": "service_account", "client_email": "x", "private_key": "not pem"})";
  settings.credentials.push_back(entry);
  const auto made = make_source("gs://bucket?credentials=lab", settings);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().context, HasSubstr("no RSA key"));
}

TEST(GcsListPage, IsRead) {
  const auto page =
      parse_list_page(R"({"kind": "storage#objects", "nextPageToken": "t", "prefixes": ["p/d/"], "items": [
      {"name": "p/a b+c", "size": "5368709121", "updated": "2024-05-01T12:34:56.789Z", "etag": "CJD="}]})",
                      "x");
  ASSERT_TRUE(page) << page.error().message();
  ASSERT_EQ(page->entries.size(), 2u);
  EXPECT_EQ(page->entries[0].key, "p/a b+c");
  EXPECT_EQ(page->entries[0].length_bytes, 5368709121u);
  EXPECT_EQ(page->entries[0].etag, "\"CJD=\"");
  EXPECT_TRUE(page->entries[1].directory);
  EXPECT_EQ(page->next, "t");
  for (const char* text : {"", "<x/>", R"({"items": [{}]})", R"({"items": [3]})", R"({"prefixes": [3]})"})
    EXPECT_EQ(parse_list_page(text, "x").error().kind, error_kind::broken) << text;
}

class GcsTest : public testing::source_test {
protected:
  GcsTest() {
    set_.unset("GOOGLE_APPLICATION_CREDENTIALS");
    set_.set("HOME", "/nonexistent");
  }
  std::string store(const raw_origin& server, const std::string& more) {
    return "gs://bucket/prefix?endpoint=" + percent_encode(server.url("")) + more;
  }
  /// A token service that hands out token-1, token-2 ... and keeps what it was sent.
  raw_origin::script tokens() {
    return [this](raw_connection& peer) {
      for (;;) {
        const std::string head = peer.read_head();
        if (head.empty()) return;
        asked_.add(head);
        const std::size_t at = head.find("Content-Length: ");
        if (at != std::string::npos) form_ = peer.read_body(std::stoul(head.substr(at + 16)));
        peer.answer("200 OK", "Content-Type: application/json\r\n",
                    R"({"access_token": "token-)" + std::to_string(asked_.size()) +
                        R"(", "expires_in": 3599, "token_type": "Bearer"})");
      }
    };
  }
  testing::test_environment set_;
  seen_heads asked_, stored_;
  std::string form_;
};

TEST_F(GcsTest, ReadsAnonymouslyAndPinsByGeneration) {
  raw_origin server(in_turn({raw_answer("200 OK", "ETag: \"e\"\r\nx-goog-generation: 17\r\n", "data")}, &stored_));
  const auto from = open(store(server, "&anonymous=true"));
  read_request asked;
  asked.key = "a b/c+d";
  asked.pin = {validator_kind::store_version, "17"};
  const auto got = read(from, asked);
  ASSERT_TRUE(got.answer) << got.failed->message();
  EXPECT_EQ(got.answer->pinned, asked.pin);
  EXPECT_THAT(stored_.last(), HasSubstr("GET /bucket/prefix/a%20b/c%2Bd HTTP/1.1\r\n"));
  EXPECT_THAT(stored_.last(), HasSubstr("x-goog-if-generation-match: 17\r\n"));
  EXPECT_THAT(stored_.last(), Not(HasSubstr("uthorization")));
}

TEST_F(GcsTest, AServiceAccountsTokenIsFetchedOnceAndRenewedWhenRefused) {
  raw_origin service(tokens());
  raw_origin server(in_turn({raw_answer("200 OK", "", "data"), raw_answer("401 Unauthorized", "", "expired"),
                             raw_answer("200 OK", "", "more"), raw_answer("401 Unauthorized", "", "no")},
                            &stored_));
  set_.set("GOOGLE_APPLICATION_CREDENTIALS", set_.file(account_json(service.url("/token"))));
  const auto from = open(store(server, ""));
  EXPECT_EQ(read(from, "a").body, "data");
  EXPECT_THAT(stored_.last(), HasSubstr("Authorization: Bearer token-1\r\n"));
  EXPECT_THAT(form_, HasSubstr("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="));
  EXPECT_EQ(read(from, "a").body, "more");
  EXPECT_THAT(stored_.last(), HasSubstr("Authorization: Bearer token-2\r\n"));
  const auto refused = read(from, "a");
  ASSERT_TRUE(refused.failed);
  EXPECT_EQ(refused.failed->kind, error_kind::unauthorised);
  EXPECT_EQ(asked_.size(), 2u) << "a store that refuses every token causes no storm";
  EXPECT_EQ(stored_.size(), 4u);
  EXPECT_NE(from->identify("a", "").scope, "anonymous");
  EXPECT_THAT(from->identify("a", "").canonical(), Not(HasSubstr("token")));
}

TEST_F(GcsTest, AUsersRefreshTokenAndTheMetadataServer) {
  raw_origin service(tokens());
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &stored_));
  source_settings settings = quick_settings();
  credential_entry entry;
  entry.name = "me";
  entry.google_key = nlohmann::json{{"type", "authorized_user"},
                                    {"client_id", "id"},
                                    {"client_secret", "s&s"},
                                    {"refresh_token", "r/1"},
                                    {"token_uri", service.url("/t")}}
                         .dump();
  settings.credentials.push_back(entry);
  EXPECT_EQ(read(open(store(server, "&credentials=me"), settings), "a").body, "data");
  EXPECT_EQ(form_, "grant_type=refresh_token&client_id=id&client_secret=s%26s&refresh_token=r%2F1");
  set_.set("GCE_METADATA_HOST", service.url("").substr(7));
  const auto from = open(store(server, "&auth=metadata&user_project=payer"));
  EXPECT_EQ(read(from, "a").body, "data");
  EXPECT_THAT(asked_.last(), HasSubstr("GET /computeMetadata/v1/instance/service-accounts/default/token HTTP"));
  EXPECT_THAT(asked_.last(), HasSubstr("Metadata-Flavor: Google"));
  EXPECT_THAT(stored_.last(), HasSubstr("Authorization: Bearer token-2"));
  EXPECT_THAT(stored_.last(), HasSubstr("x-goog-user-project: payer"));
}

TEST_F(GcsTest, AReadersTokenIsShownAndNothingOfTheNodes) {
  raw_origin service(tokens());
  raw_origin server(in_turn({raw_answer("200 OK", "", "data"), raw_answer("200 OK", "", R"({"items": []})"),
                             raw_answer("403 Forbidden", "WWW-Authenticate: Bearer realm=\"g\"\r\n",
                                        "<Error><Code>AccessDenied</Code><Message>no: HUSH</Message></Error>"),
                             raw_answer("401 Unauthorized", "", "")},
                            &stored_));
  set_.set("GOOGLE_APPLICATION_CREDENTIALS", set_.file(account_json(service.url("/token"))));
  source_settings settings = quick_settings();
  settings.carries_tokens = true;
  const auto from = open(store(server, "&user_project=payer"), settings);
  EXPECT_EQ(from->identify("k", "").scope, readers_scope);
  read_request asked;
  asked.key = "k";
  asked.token = std::make_shared<const reader_token>("HUSH");
  EXPECT_EQ(read(from, asked).body, "data");
  EXPECT_THAT(stored_.last(), HasSubstr("Authorization: Bearer HUSH\r\n"));
  EXPECT_THAT(stored_.last(), HasSubstr("x-goog-user-project: payer"));
  list_request wanted;
  wanted.token = asked.token;
  EXPECT_TRUE(list(from, wanted));
  EXPECT_THAT(stored_.last(), HasSubstr("Authorization: Bearer HUSH\r\n"));
  wanted.probe = std::make_shared<access_probe>();
  const auto refused = list(from, wanted);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, error_kind::forbidden);
  EXPECT_THAT(refused.error().message(), Not(HasSubstr("HUSH")));
  EXPECT_EQ(wanted.probe->challenge, "Bearer realm=\"g\"");
  const auto anonymous = read(from, "k"); // who brings nothing is shown with nothing
  EXPECT_EQ(anonymous.failed->kind, error_kind::unauthorised);
  EXPECT_THAT(stored_.last(), Not(HasSubstr("uthorization")));
  EXPECT_EQ(asked_.size(), 0u);
}

TEST_F(GcsTest, TheMetadataServerIsAskedPastTheProxy) {
  raw_origin service(tokens());
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &stored_));
  auto proxied = http::testing::test_settings();
  proxied.proxy = "http://127.0.0.1:1"; // nobody there
  use(proxied);
  set_.set("GCE_METADATA_HOST", service.url("").substr(7));
  EXPECT_TRUE(read(open(store(server, "&auth=metadata")), "a").failed);
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_EQ(stored_.size(), 0u);
}

TEST_F(GcsTest, ChecksumsAreOfWhatIsStored) {
  const std::string hash = "x-goog-hash: crc32c=4waSgw==\r\nx-goog-generation: 1\r\n";
  raw_origin server(in_turn({raw_answer("200 OK", hash, "123456789"), raw_answer("200 OK", hash, "123456780"),
                             raw_answer("200 OK", hash + "x-goog-stored-content-encoding: gzip\r\n", "unpacked")},
                            &stored_));
  const auto from = open(store(server, "&anonymous=true"));
  EXPECT_EQ(read(from, "k").body, "123456789");
  const auto damaged = read(from, "k");
  ASSERT_TRUE(damaged.failed);
  EXPECT_TRUE(is_checksum_mismatch(*damaged.failed));
  EXPECT_EQ(read(from, "k").body, "unpacked");
}

TEST_F(GcsTest, ErrorsOfBothApisAreRead) {
  raw_origin server(in_turn({raw_answer("404 Not Found", "", "<Error><Code>NoSuchKey</Code></Error>"),
                             raw_answer("403 Forbidden", "",
                                        R"({"error": {"code": 403, "message": "who does not have access",
                                            "errors": [{"reason": "forbidden"}]}})")},
                            &stored_));
  const auto from = open(store(server, "&anonymous=true"));
  EXPECT_EQ(read(from, "k").failed->kind, error_kind::not_found);
  const auto listed = list(from, {});
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().kind, error_kind::forbidden);
  EXPECT_THAT(listed.error().context, HasSubstr("forbidden: who does not have access"));
}

TEST_F(GcsTest, OneObjectUnderTwoUrlsIsOneCopy) {
  const auto canonical = [](const char* url, const char* key, const char* query = "") {
    return (*make_source(url, quick_settings()))->identify(key, query).canonical();
  };
  const std::string plain = canonical("gs://bucket/p?anonymous=true", "a b/c");
  EXPECT_EQ(canonical("https://storage.googleapis.com/bucket/p", "a b/c"), plain);
  EXPECT_EQ(canonical("https://storage.googleapis.com", "bucket/p/a b/c"), plain);
  EXPECT_NE(canonical("gs://bucket/p?anonymous=true", "a b/c", "generation=3"), plain);
  EXPECT_NE(canonical("gs://bucket/p?auth=metadata", "a b/c"), plain);
}

} // namespace
} // namespace forebay::origin::gcs
