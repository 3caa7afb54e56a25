#include <gmock/gmock.h>

#include "base/text.h"
#include "origin/azure/credentials.h"
#include "origin/azure/list_page.h"
#include "origin/azure/location.h"
#include "origin/testing/environment.h"
#include "origin/testing/source_fixture.h"

namespace forebay::origin::azure {
namespace {

using ::testing::HasSubstr;
using testing::in_turn;
using ::testing::Not;
using testing::quick_settings;
using testing::raw_answer;
using testing::raw_connection;
using testing::raw_origin;
using testing::seen_heads;

TEST(AzureLocation, IsParsed) {
  const auto where = parse_location("az://account/data/p/q/?anonymous=true");
  ASSERT_TRUE(where) << where.error().message();
  EXPECT_EQ(where->container, "data");
  EXPECT_EQ(where->prefix, "p/q");
  EXPECT_EQ(where->endpoint.origin, "https://account.blob.core.windows.net");
  const auto hadoop = parse_location("abfss://data@account.dfs.core.windows.net/p/q");
  ASSERT_TRUE(hadoop) << hadoop.error().message();
  EXPECT_EQ(hadoop->container, "data");
  EXPECT_EQ(hadoop->prefix, "p/q");
  EXPECT_EQ(hadoop->endpoint.origin, "https://account.blob.core.windows.net");
}

// The example of "Authorize with Shared Key" of Microsoft's reference (version 2015-02-21 and later).
TEST(AzureSharedKey, TheStringToSignIsThePublishedOne) {
  http::client_request request;
  request.url = "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata&timeout=20";
  request.fields.add("x-ms-version", "2015-02-21");
  request.fields.add("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT");
  EXPECT_EQ(string_to_sign(request, "myaccount"),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
            "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20");
  request.fields.add("Range", "bytes=0-1");
  request.fields.add("If-Match", "\"e\"");
  EXPECT_THAT(string_to_sign(request, "a"), HasSubstr("\n\n\n\n\n\n\n\"e\"\n\n\nbytes=0-1\nx-ms-date"));
}

TEST(AzureListPage, DirectoriesOfHierarchicalNamesAreNoBlobs) {
  const auto page =
      parse_list_page("<?xml version=\"1.0\"?><EnumerationResults><Blobs>"
                      "<Blob><Name>d</Name><Properties><ResourceType>directory</ResourceType></Properties></Blob>"
                      "<Blob><Name>old</Name><Metadata><hdi_isfolder>true</hdi_isfolder></Metadata></Blob>"
                      "<Blob><Name>a b+c</Name><Properties><Last-Modified>Wed, 01 May 2024 12:34:56 GMT</Last-Modified>"
                      "<Etag>0x8D1</Etag><Content-Length>5368709121</Content-Length></Properties></Blob>"
                      "<Blob><Name Encoded=\"true\">x%EF%BF%BEy</Name></Blob>"
                      "<BlobPrefix><Name>d/</Name></BlobPrefix></Blobs><NextMarker>m</NextMarker></EnumerationResults>",
                      "x");
  ASSERT_TRUE(page) << page.error().message();
  ASSERT_EQ(page->entries.size(), 3u);
  EXPECT_EQ(page->entries[0].key, "a b+c");
  EXPECT_EQ(page->entries[0].length_bytes, 5368709121u);
  EXPECT_EQ(page->entries[0].etag, "\"0x8D1\"");
  EXPECT_TRUE(page->entries[0].modified);
  EXPECT_EQ(page->entries[1].key, "d/");
  EXPECT_TRUE(page->entries[1].directory);
  EXPECT_EQ(page->entries[2].key, "x\xEF\xBF\xBEy");
  EXPECT_EQ(page->next, "m");
  for (const char* text : {"", "{}", "<html/>", "<EnumerationResults/>",
                           "<EnumerationResults><Blobs><Blob/></Blobs></EnumerationResults>"})
    EXPECT_EQ(parse_list_page(text, "x").error().kind, error_kind::broken) << text;
}

class AzureTest : public testing::source_test {
protected:
  AzureTest() {
    for (const char* name :
         {"AZURE_FEDERATED_TOKEN_FILE", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"})
      set_.unset(name);
  }
  std::string store(const raw_origin& server, const std::string& more) {
    return "az://account/data?endpoint=" + percent_encode(server.url("")) + more;
  }
  source_settings with(const std::string& account_key, const std::string& sas_token) {
    source_settings settings = quick_settings();
    credential_entry entry;
    entry.name = "lab";
    entry.account_key = account_key;
    entry.sas_token = sas_token;
    settings.credentials.push_back(entry);
    return settings;
  }
  testing::test_environment set_;
  seen_heads asked_, stored_;
};

TEST_F(AzureTest, SignsWithTheAccountsKey) {
  raw_origin server(in_turn({raw_answer("200 OK", "ETag: \"0x1\"\r\n", "data")}, &stored_));
  const auto from = open(store(server, "&credentials=lab"), with("c2VjcmV0", ""));
  EXPECT_EQ(read(from, "a b").body, "data");
  EXPECT_THAT(stored_.last(), HasSubstr("GET /data/a%20b HTTP"));
  EXPECT_THAT(stored_.last(), HasSubstr("Authorization: SharedKey account:"));
  EXPECT_THAT(stored_.last(), HasSubstr("x-ms-version: 2021-12-02"));
  EXPECT_FALSE(make_source("az://account/data?credentials=lab", with("not base64!", "")));
}

TEST_F(AzureTest, ASignatureIsSentAndNeverShown) {
  const std::string token = "sv=2021-12-02&sr=c&sp=rl&sig=HUSH%2Bhush%3D";
  raw_origin server(in_turn(
      {raw_answer("200 OK", "", "data"), raw_answer("403 Forbidden", "x-ms-error-code: AuthenticationFailed\r\n", "")},
      &stored_));
  const auto from = open(store(server, "&credentials=lab"), with("", "?" + token));
  EXPECT_EQ(read(from, "k").body, "data");
  EXPECT_THAT(stored_.last(), HasSubstr("GET /data/k?" + token + " HTTP"));
  const auto refused = read(from, "k");
  ASSERT_TRUE(refused.failed);
  EXPECT_THAT(refused.failed->message(), HasSubstr("AuthenticationFailed"));
  for (const std::string& text : {refused.failed->message(), from->name(), from->identify("k", "").canonical()}) {
    EXPECT_THAT(text, Not(HasSubstr("HUSH")));
    EXPECT_THAT(text, Not(HasSubstr("sig=")));
  }
  const auto wrong = make_source("az://account/data?credentials=lab", with("", "sv=1&SIG=HUSH"));
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), Not(HasSubstr("HUSH")));
}

TEST_F(AzureTest, AnUnreachableStoresErrorShowsNoSignature) {
  source_settings settings = with("", "sv=1&sig=HUSH");
  settings.limits.attempts = 1;
  const auto got = read(open("az://account/data?endpoint=http://127.0.0.1:1&credentials=lab", settings), "k");
  ASSERT_TRUE(got.failed);
  EXPECT_THAT(got.failed->message(), Not(HasSubstr("HUSH")));
}

TEST_F(AzureTest, AManagedIdentitysTokenIsRenewedWhenRefused) {
  raw_origin service(in_turn({raw_answer("200 OK", "", R"({"access_token": "t1", "expires_on": "4070908800"})"),
                              raw_answer("200 OK", "", R"({"access_token": "t2", "expires_in": "3599"})")},
                             &asked_));
  raw_origin server(in_turn({raw_answer("401 Unauthorized", "", ""), raw_answer("200 OK", "", "data")}, &stored_));
  set_.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", service.url("/"));
  const auto from = open(store(server, "&auth=managed-identity&client_id=11-22"));
  EXPECT_EQ(read(from, "k").body, "data");
  EXPECT_THAT(asked_.last(), HasSubstr("GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F"
                                       "%2Fstorage.azure.com%2F&client_id=11-22 HTTP"));
  EXPECT_THAT(asked_.last(), HasSubstr("Metadata: true"));
  EXPECT_THAT(stored_.all()[0], HasSubstr("Authorization: Bearer t1"));
  EXPECT_THAT(stored_.all()[1], HasSubstr("Authorization: Bearer t2"));
  EXPECT_EQ(from->identify("k", "").scope, "azure:managed:11-22");
}

TEST_F(AzureTest, AManagedIdentityIsAskedForPastTheProxy) {
  raw_origin service(
      in_turn({raw_answer("200 OK", "", R"({"access_token": "t1", "expires_on": "4070908800"})")}, &asked_));
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &stored_));
  auto proxied = http::testing::test_settings();
  proxied.proxy = "http://127.0.0.1:1"; // nobody there
  use(proxied);
  set_.set("AZURE_POD_IDENTITY_AUTHORITY_HOST", service.url("/"));
  EXPECT_TRUE(
      read(open(store(server, "&auth=managed-identity&client_id=00000000-1111-2222-3333-444444444444")), "k").failed);
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_EQ(stored_.size(), 0u);
}

TEST_F(AzureTest, AWorkloadIdentityIsFoundInTheEnvironment) {
  std::string form;
  raw_origin service([&](raw_connection& peer) {
    const std::string head = peer.read_head();
    asked_.add(head);
    form = peer.read_body(std::stoul(head.substr(head.find("Content-Length: ") + 16)));
    peer.answer("200 OK", "", R"({"access_token": "w", "expires_in": 3599})");
  });
  raw_origin server(in_turn({raw_answer("200 OK", "", "data")}, &stored_));
  set_.set("AZURE_AUTHORITY_HOST", service.url("/"));
  set_.set("AZURE_TENANT_ID", "tenant");
  set_.set("AZURE_CLIENT_ID", "client");
  set_.set("AZURE_FEDERATED_TOKEN_FILE", set_.file("a.b.c\n"));
  EXPECT_EQ(read(open(store(server, "")), "k").body, "data");
  EXPECT_THAT(asked_.last(), HasSubstr("POST /tenant/oauth2/v2.0/token HTTP"));
  EXPECT_THAT(form, HasSubstr("&client_assertion=a.b.c"));
  EXPECT_THAT(stored_.last(), HasSubstr("Authorization: Bearer w"));
}

TEST_F(AzureTest, AReadersTokenIsShownAndNothingOfTheNodes) {
  raw_origin server(in_turn({raw_answer("200 OK", "", "data"),
                             raw_answer("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"a\"\r\n", "not HUSH")},
                            &stored_));
  set_.set("AZURE_TENANT_ID", "tenant");
  set_.set("AZURE_CLIENT_ID", "client");
  set_.set("AZURE_FEDERATED_TOKEN_FILE", set_.file("a.b.c\n"));
  source_settings settings = quick_settings();
  settings.carries_tokens = true;
  const auto from = open(store(server, ""), settings);
  EXPECT_EQ(from->identify("k", "").scope, readers_scope);
  read_request asked;
  asked.key = "k";
  asked.token = std::make_shared<const reader_token>("HUSH");
  EXPECT_EQ(read(from, asked).body, "data");
  EXPECT_THAT(stored_.last(), HasSubstr("Authorization: Bearer HUSH\r\n"));
  EXPECT_THAT(stored_.last(), HasSubstr("x-ms-version: 2021-12-02\r\n"));
  EXPECT_THAT(stored_.last(), HasSubstr(" GMT\r\n")); // of x-ms-date
  EXPECT_THAT(stored_.last(), HasSubstr("x-ms-date: "));
  asked.probe = std::make_shared<access_probe>();
  const auto refused = read(from, asked);
  ASSERT_TRUE(refused.failed);
  EXPECT_EQ(refused.failed->kind, error_kind::unauthorised);
  EXPECT_THAT(refused.failed->message(), Not(HasSubstr("HUSH")));
  EXPECT_EQ(asked.probe->challenge, "Bearer realm=\"a\"");
  EXPECT_EQ(stored_.size(), 2u); // a reader's token cannot be renewed
}

TEST_F(AzureTest, EachErrorIsWhatItMeans) {
  struct meaning {
    const char *status, *code;
    error_kind kind;
    const char* words;
  };
  source_settings settings = quick_settings();
  settings.limits.attempts = 1;
  for (const meaning& each : std::vector<meaning>{
           {"409 Conflict", "BlobArchived", error_kind::forbidden, "restore it"},
           {"409 Conflict", "PublicAccessNotPermitted", error_kind::forbidden, "no anonymous readers"},
           {"404 Not Found", "BlobNotFound", error_kind::not_found, "BlobNotFound"},
           {"404 Not Found", "ContainerNotFound", error_kind::not_found, "no such container"},
           {"503 Service Unavailable", "ServerBusy", error_kind::throttled, "ServerBusy"},
           {"500 Internal Server Error", "OperationTimedOut", error_kind::timeout, "OperationTimedOut"}}) {
    raw_origin server(in_turn({raw_answer(each.status, "x-ms-error-code: " + std::string(each.code) + "\r\n", "")}));
    const auto got = read(open(store(server, "&anonymous=true"), settings), "k");
    ASSERT_TRUE(got.failed) << each.code;
    EXPECT_EQ(to_string(got.failed->kind), to_string(each.kind)) << each.code;
    EXPECT_THAT(got.failed->context, HasSubstr(each.words));
  }
}

TEST_F(AzureTest, APutIsABlockBlob) {
  raw_origin server(in_turn({raw_answer("201 Created", "Connection: close\r\n", "")}, &stored_));
  write_request asked;
  asked.method = "PUT";
  asked.key = "k";
  asked.body = http::make_body("12345");
  asked.length_bytes = 5;
  EXPECT_EQ(write(open(store(server, "&credentials=lab"), with("c2VjcmV0", "")), std::move(asked)).status, 201u);
  EXPECT_THAT(stored_.last(), HasSubstr("x-ms-blob-type: BlockBlob"));
}

TEST_F(AzureTest, OneObjectUnderTwoUrlsIsOneCopy) {
  const auto canonical = [](const char* url, const char* key) {
    return (*make_source(url, quick_settings()))->identify(key, "").canonical();
  };
  const std::string plain = canonical("az://account/data/p?anonymous=true", "a b");
  EXPECT_EQ(canonical("https://account.blob.core.windows.net/data/p", "a b"), plain);
  EXPECT_EQ(canonical("https://account.blob.core.windows.net", "data/p/a b"), plain);
  EXPECT_EQ(canonical("abfs://data@account.dfs.core.windows.net/p?anonymous=true", "a b"), plain);
  EXPECT_NE(canonical("az://account/data/p?auth=managed-identity", "a b"), plain);
}

} // namespace
} // namespace forebay::origin::azure
